#!/usr/bin/env bash
# Checks that the build server does what OpenShift's does, as far as tests of clade need it: on a real API server, whose
# folder CLADE_TEST_KUBERNETES or the argument names (with-cluster.sh). The build server is started, and stopped again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../../lib.sh"
server=${1:-${CLADE_TEST_KUBERNETES:?"run it as tests/kubernetes/with-cluster.sh $0"}}
server=$(cd "$server" && pwd)
namespace=builds-$RANDOM
work=$(mktemp -d)
trap 'end "$work/watch.pid"; cluster stop-builds; rm -rf "$work"' EXIT
at=/apis/build.openshift.io/v1/namespaces/$namespace

cluster() { "$here/../cluster.sh" "$1" "$server" "${@:2}"; }
kubectl() { cluster kubectl --namespace "$namespace" "$@"; }
expect() { # WHAT EXPECTED FOUND
  [ "$2" = "$3" ] || fail "$1: expected $2, found $3"
}
becomes() { # EXPECTED COMMAND…: until it says so
  local found
  for _ in $(seq 1 200); do
    found=$("${@:2}" 2>/dev/null) && [ "$found" = "$1" ] && return
    sleep 0.1
  done
  fail "${*:2}: expected $1, found $found"
}
of() { kubectl get "$1" "$2" --output "jsonpath=$3"; }
build() { of build "$1" '{.status.phase} {.status.reason}'; }
newest() { of imagestream "$1" '{.status.tags[?(@.tag=="1")].items[0].image}'; }
layers() { kubectl get image "$1" --output 'jsonpath={range .dockerImageLayers[*]}{.name}{"\n"}{end}'; }
annotate() { kubectl annotate --overwrite buildconfig "$@" >/dev/null; }
events() { # KEY=VALUE…: how many lines of the journal have all of these
  python3 - "$server/builds.jsonl" "$namespace" "$@" <<'PY'
import json, sys
wanted = dict(word.split("=") for word in sys.argv[3:]) | {"namespace": sys.argv[2]}
lines = map(json.loads, open(sys.argv[1]))
print(sum(all(str(line.get(key)) == value for key, value in wanted.items()) for line in lines))
PY
}
instantiate() { # NAME [MORE [FLAG…]]: `MORE` is further JSON of the BuildRequest
  kubectl "${@:3}" create --raw "$at/buildconfigs/$1/instantiate" -f - <<JSON
{"kind": "BuildRequest", "apiVersion": "build.openshift.io/v1", "triggeredBy": [{"message": "check"}],
 "metadata": {"name": "$1", "labels": {"asked": "by-check"}, "annotations": {"check": "yes"}}${2:-}}
JSON
}
refused() { # WORDS NAME [MORE [FLAG…]]
  local told
  told=$(instantiate "${@:2}" 2>&1) && fail "was built, and not refused with: $1"
  grep -qF "$1" <<<"$told" || fail "expected a refusal with: $1, found: $told"
}
config() { # NAME FROM TRIGGERS
  cat <<YAML
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: $1, namespace: $namespace, labels: {app: $1}}
spec:
  strategy: {sourceStrategy: {from: {kind: ImageStreamTag, name: "$2"}}}
  output: {to: {kind: ImageStreamTag, name: "$1:1"}}
  triggers: $3
YAML
}
image() { # NAME LAYER…: prints its digest
  local digest list=() layer
  digest=sha256:$(sha256sum <<<"$namespace $1" | cut -d' ' -f1)
  for layer in "${@:2}"; do list+=("{name: \"sha256:$(sha256sum <<<"$layer" | cut -d' ' -f1)\", size: 100}"); done
  kubectl create -f - >/dev/null <<YAML
{apiVersion: image.openshift.io/v1, kind: Image, dockerImageReference: "registry.example/team/$1@$digest",
 metadata: {name: "$digest", annotations: {image.openshift.io/dockerLayersOrder: ascending}},
 dockerImageMetadata: {Architecture: amd64, Os: linux}, dockerImageLayers: [$(IFS=,; echo "${list[*]}")]}
YAML
  echo "$digest"
}
base() { # DIGEST…: the stream `base` with a tag that has pointed at these, newest first
  local items=() digest
  for digest; do items+=("{image: \"$digest\", dockerImageReference: \"registry.example/team/base@$digest\"}"); done
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
{apiVersion: image.openshift.io/v1, kind: ImageStream, metadata: {name: base},
 status: {tags: [{tag: "1", items: [$(IFS=,; echo "${items[*]}")]}]}}
YAML
}

cluster kubectl apply --server-side -f "$here/../openshift-crds.yaml" >/dev/null
cluster kubectl wait --for condition=established --timeout 60s crd --all >/dev/null
# Kept by the CRDs alone, and to be found through the build server.
cluster kubectl create namespace "$namespace" >/dev/null
becomes "" kubectl get buildconfigs,builds --output name
config before base:1 '[]' | kubectl create -f - >/dev/null
cluster start-builds
expect "what was there before" "buildconfig.build.openshift.io/before" "$(kubectl get bc --output name)"
one=$(image one a b) two=$(image two a c)
base "$one"
{ config a base:1 '[]'; config b a:1 '[{type: ImageChange}]'; config c b:1 '[]'; config fails base:1 '[]'
  config odd nothing:1 '[]'; } | kubectl apply --server-side -f - >/dev/null

# A chain, of which one is built by its trigger; what the clients see on the way.
launch "$work" watch timeout 120 "$here/../cluster.sh" kubectl "$server" --namespace "$namespace" get builds --watch \
  --output 'jsonpath={.apiVersion} {.metadata.name} {.status.phase}{"\n"}' # `timeout` ends kubectl too when it is ended
instantiate a ', "lastVersion": 0' >"$work/a"
python3 - "$work/a" <<'PY'
import json, sys
build = json.load(open(sys.argv[1]))
metadata = build["metadata"]
assert (build["apiVersion"], build["kind"], metadata["name"]) == ("build.openshift.io/v1", "Build", "a-1"), build
labels = {"app": "a", "asked": "by-check", "buildconfig": "a", "openshift.io/build-config.name": "a"}
assert labels.items() <= metadata["labels"].items(), build
annotations = {"check": "yes", "openshift.io/build.number": "1", "openshift.io/build-config.name": "a"}
assert annotations.items() <= metadata["annotations"].items(), build
assert build["spec"]["triggeredBy"] == [{"message": "check"}] and build["status"]["phase"] == "New", build
assert "stored" not in json.dumps(build), build
PY
becomes "Complete " build a-1
image_a=$(newest a)
expect "the image of a-1" "$image_a" "$(of build a-1 '{.status.output.to.imageDigest}')"
expect "what a-1 is built on" "$(layers "$one")" "$(layers "$image_a" | head -n -1)"
# The tag was not there when b came: then its trigger only takes note.
becomes "registry.example/$namespace/a@$image_a" of buildconfig b '{.spec.triggers[0].imageChange.lastTriggeredImageID}'
instantiate a ', "lastVersion": 1' >/dev/null
becomes "Complete " build b-1
expect "why b-1" "Image change" "$(of build b-1 '{.spec.triggeredBy[0].message}')"
expect "what b-1 is built on" "$(layers "$(newest a)")" "$(layers "$(newest b)" | head -n -1)"
instantiate c >/dev/null
becomes "Complete " build c-1
expect "what c-1 is built on" "$(layers "$(newest b)")" "$(layers "$(newest c)" | head -n -1)"
expect "images that a has had" 2 "$(of imagestream a '{range .status.tags[0].items[*]}x{"\n"}{end}' | wc -l)"
for phase in New Pending Running Complete; do
  becomes "build.openshift.io/v1 a-2 $phase" grep -m 1 "a-2 $phase" "$work/watch.log"
done
# A paused trigger builds nothing, and a build by request leaves it nothing to do.
trigger_paused() {
  kubectl patch bc b --type json --patch '[{"op": "add", "path": "/spec/triggers/0/imageChange/paused", "value": '"$1"'}]'
}
trigger_paused true >/dev/null
instantiate a >/dev/null
becomes "Complete " build a-3
instantiate b >/dev/null
becomes "Complete " build b-2
trigger_paused false >/dev/null
sleep 0.5 # for what must not happen
expect "builds of b" 2 "$(events event=instantiated buildConfig=b)"
# The same of a paused BuildConfig, but that it is built as soon as it is not.
annotate b test.clade.dev/seconds=2.5 openshift.io/build-config.paused=true
annotate a test.clade.dev/outcome=never
instantiate a >/dev/null
becomes "Running " build a-4
sleep 0.5
expect "what never ends" "Running " "$(build a-4)"
annotate a test.clade.dev/outcome-
becomes "Complete " build a-4
refused "can't instantiate from BuildConfig $namespace/b: BuildConfig is paused" b
sleep 0.5
expect "builds of b" 2 "$(events event=instantiated buildConfig=b)"
annotate b openshift.io/build-config.paused-
becomes "Running " build b-3
expect "builds of b by its trigger" 2 "$(events event=instantiated buildConfig=b by=trigger)"

# Refusals.
stale="the LastVersion(4) on build config $namespace/a does not match the build request LastVersion(1)"
refused "$stale" a ', "lastVersion": 1'
refused '"none" not found' none
kubectl create serviceaccount nobody >/dev/null
as=$("$here/../cluster.sh" kubeconfig "$server" "$namespace" nobody)
refused forbidden a "" --kubeconfig "$as"
kubectl --kubeconfig "$as" get buildconfigs >"$work/got" 2>&1 && fail "who has no right lists BuildConfigs"
kubectl create role builds --verb create --resource buildconfigs.build.openshift.io/instantiate >/dev/null
kubectl create rolebinding builds --role builds --serviceaccount "$namespace:nobody" >/dev/null
may() { instantiate a ', "lastVersion": 4' --kubeconfig "$as" >"$work/got" && echo yes; }
becomes yes may # the API server knows a new role a moment later
expect "who asked" 1 "$(events event=instantiated build=a-5 "by=system:serviceaccount:$namespace:nobody" lastVersion=5)"

# Failures.
annotate fails test.clade.dev/outcome=fail-once
instantiate fails >/dev/null
becomes "Failed GenericBuildFailed" build fails-1
instantiate fails >/dev/null
becomes "Complete " build fails-2
annotate fails test.clade.dev/outcome=fail
instantiate fails >/dev/null
becomes "Failed GenericBuildFailed" build fails-3
instantiate odd >/dev/null
becomes "Failed FetchImageContentFailed" build odd-1
echo '{"drop_responses": 1, "seed": 1}' >"$server/builds.faults"
instantiate c >"$work/got" 2>&1 && fail "a response was not dropped"
rm "$server/builds.faults"
becomes "Complete " build c-2

# All verbs of BuildConfigs; what a field manager has applied is known again.
{ config a base:1 '[{type: ConfigChange}]'; config d base:1 '[]'; } | kubectl apply --server-side -f - >/dev/null
config d base:1 '[]' | kubectl apply --server-side --field-manager other -f - >"$work/got" 2>&1
config d two:1 '[]' | kubectl apply --server-side --field-manager other -f - >"$work/got" 2>&1 && fail "no conflict"
grep -q 'conflict' "$work/got" || fail "no conflict: $(cat "$work/got")"
config e base:1 '[]' | kubectl apply -f - >/dev/null
config e two:1 '[]' | kubectl apply -f - >/dev/null
expect "applied by the client" two:1 "$(of bc e '{.spec.strategy.sourceStrategy.from.name}')"
kubectl patch bc e --type merge --patch '{"spec": {"runPolicy": "Parallel"}}' >/dev/null
kubectl patch bc e --type json --patch '[{"op": "add", "path": "/spec/nodeSelector", "value": {"a": "b"}}]' >/dev/null
expect "patched" "Parallel b" "$(of bc e '{.spec.runPolicy} {.spec.nodeSelector.a}')"
kubectl get bc e --output json | sed 's/Parallel/Serial/' | kubectl replace -f - >/dev/null
expect "replaced" Serial "$(of bc e '{.spec.runPolicy}')"
kubectl get bc a --output yaml --show-managed-fields | grep stored && fail "the version stored comes through"
kubectl delete bc d e --wait=true >/dev/null

# A restart goes on with what runs, and with what waits behind it.
annotate fails test.clade.dev/outcome=never
instantiate fails >/dev/null
instantiate fails >/dev/null
becomes "Running " build fails-4
expect "one after the other" "New " "$(build fails-5)"
cluster stop-builds
kubectl get bc/fails >/dev/null || fail "the CRDs do not serve what was there"
# `a` is known to be kubectl's from before.
{ config a base:1 '[]'; config later base:1 '[]'; } | kubectl apply --server-side -f - >/dev/null
instantiate later >"$work/got" 2>&1 && fail "something builds without the build server"
annotate fails test.clade.dev/outcome-
base "$two" "$one"
cluster start-builds
becomes "Complete " build fails-5
expect "built on what was there when it began" "$(layers "$one")" \
  "$(layers "$(of build fails-4 '{.status.output.to.imageDigest}')" | head -n -1)"
expect "built on what was there when it began" "$(layers "$two")" "$(layers "$(newest fails)" | head -n -1)"
unfinished() {
  kubectl get builds --output jsonpath='{.items[*].status.phase}' | tr ' ' '\n' | grep -vc 'Complete\|Failed' || true
}
becomes 0 unfinished
expect "each build began" "$(events event=instantiated)" "$(($(events event=began) + 1))" # odd-1 failed before
expect "each build has ended" "$(events event=instantiated)" "$(events event=ended)"
kubectl delete bc,builds,imagestreams --all >/dev/null
