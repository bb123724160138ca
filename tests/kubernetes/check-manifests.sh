#!/usr/bin/env bash
# Checks deploy/ on a real API server, whose folder CLADE_TEST_KUBERNETES names (with-cluster.sh): every overlay is applied
# to a namespace of its own, without a warning; its pods pass Pod Security `restricted`; each ServiceAccount may do what it
# must, and no more. Strimzi's and the Prometheus operator's objects are checked against their CRDs, OpenShift's Route
# and cert-manager's objects against nothing. The alert rules are checked and tried by promtool.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deploy=$here/../../deploy
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
server=${CLADE_TEST_KUBERNETES:?"run it as tests/kubernetes/with-cluster.sh $0"}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kubectl() { "$here/cluster.sh" kubectl "$server" "$@"; }
complain() { echo "${0##*/}: $*" >&2; echo "$*" >>"$work/complaints"; } # also in a pipeline

established() { # ARGUMENT…: waits for definitions; kubectl does not for those that have no conditions yet
  local _
  for _ in $(seq 1 60); do
    kubectl wait --for condition=established --timeout 60s "$@" >"$work/established" 2>&1 && return
    sleep 0.5
  done
  fail "not established: $(cat "$work/established")"
}

anything() { # GROUP KIND PLURAL: a kind of somebody else's, of which nothing is checked
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $3.$1}
spec:
  group: $1
  scope: Namespaced
  names: {kind: $2, listKind: $2List, plural: $3, singular: ${2,,}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
YAML
}

foreign_kinds() { # the kinds that somebody else brings
  local crds; crds=$("$here/crds/crds.sh")
  anything route.openshift.io Route routes
  anything cert-manager.io Certificate certificates
  anything cert-manager.io Issuer issuers
  kubectl apply --server-side --force-conflicts -f "$crds" -f "$here/openshift-crds.yaml" -f "$here/openreports-crd.yaml" >/dev/null
  established crd --all
}

install() { # OVERLAY COMPONENT…: applies it to a namespace of its own, which is $namespace from now on
  local overlay=$1 dir=$work/$1 component; shift
  namespace=clade-$overlay-$RANDOM
  mkdir -p "$dir"
  {
    printf 'namespace: %s\nresources:\n- %s\ncomponents:\n' "$namespace" "$(from "$dir" "overlays/$overlay")"
    for component in "$@"; do echo "- $(from "$dir" "components/$component")"; done
  } >"$dir/kustomization.yaml"
  kubectl kustomize "$dir" >"$dir.yaml"
  # CRDs come first, and have to be known before there can be objects of them.
  kubectl apply --server-side --force-conflicts --warnings-as-errors -f "$deploy/base/crds.yaml" >/dev/null
  established -f "$deploy/base/crds.yaml"
  kubectl apply --server-side --force-conflicts --warnings-as-errors -f "$dir.yaml" >"$dir.log" 2>&1 ||
    complain "the API server does not take overlays/$overlay as it is: $(grep -v serverside-applied "$dir.log")"
}
from() { realpath --relative-to="$1" "$deploy/$2"; }

pods() { # PYTHON: the pods that a controller would make, after a change
  kubectl --namespace "$namespace" get deployments,statefulsets --output json | python3 -c '
import json, sys
pods = []
for owner in json.load(sys.stdin)["items"]:
    pod = owner["spec"]["template"] | {"apiVersion": "v1", "kind": "Pod"}
    pod["metadata"] = {"name": owner["metadata"]["name"], "labels": pod["metadata"]["labels"]}
    for claim in owner["spec"].get("volumeClaimTemplates", []):
        name = claim["metadata"]["name"]
        pod["spec"].setdefault("volumes", []).append({"name": name, "persistentVolumeClaim": {"claimName": name}})
    exec(sys.argv[1])
    pods.append(pod)
json.dump({"apiVersion": "v1", "kind": "List", "items": pods}, sys.stdout)' "$1"
}

restricted() { # COUNT: so many kinds of pods, all of which Pod Security admits
  local told
  told=$(pods "" | kubectl --namespace "$namespace" create --dry-run=server --warnings-as-errors -f - 2>&1) ||
    complain "$namespace: $told"
  [ "$(grep -c 'created (server dry run)' <<<"$told")" = "$1" ] || complain "$namespace has not $1 pods: $told"
  # And would it say so?
  told=$(pods 'del pod["spec"]["securityContext"]["seccompProfile"]' |
    kubectl --namespace "$namespace" create --dry-run=server -f - 2>&1) && complain "$namespace: Pod Security is asleep"
  grep -q 'violates PodSecurity "restricted:latest"' <<<"$told" || complain "$namespace: $told"
}

rights() { # lines of: SERVICEACCOUNT yes|no VERB RESOURCE [FLAG…]; `-A` is in every namespace, else it is in clade's
  local account expected verb resource flags answer
  while read -r account expected verb resource flags; do
    [ -n "$account" ] || continue
    # shellcheck disable=SC2086 # several flags
    answer=$(kubectl --namespace "$namespace" auth can-i "$verb" "$resource" $flags \
      --as "system:serviceaccount:$namespace:$account" 2>/dev/null) || true
    [ "$answer" = "$expected" ] || complain "$namespace: may $account $verb $resource $flags? $answer, not $expected"
  done
}

leases() { # lines for a service that elects a leader
  printf "$1 %s leases.coordination.k8s.io%s\n" \
    'yes create' '' 'yes get' "/$1" 'yes update' "/$1" 'yes patch' "/$1" \
    'no delete' "/$1" 'no update' /other 'no get' /other 'no list' '' 'no update' "/$1 --namespace kube-system"
}

nothing() { # lines for a service that has nothing to do with the API server
  printf "$1 no %s\n" 'get pods' 'list pods -A' 'list namespaces' 'get secrets' 'list configmaps' 'list imageclasses.clade.dev' \
    'patch imageclasses.clade.dev --subresource status' 'list images.image.openshift.io' 'create leases.coordination.k8s.io' \
    'create events.events.k8s.io' 'create pods' '* *'
}

reviews() { # lines for a service that asks whose a token is, and has nothing else to do with the API server
  printf "$1 %s\n" 'yes create tokenreviews.authentication.k8s.io' 'yes create subjectaccessreviews.authorization.k8s.io'
}
nothing_else() { nothing "$1" | grep -v '\* \*'; }

classes='
WHO yes list imageclasses.clade.dev
WHO yes watch imageclasses.clade.dev
WHO yes get imageclassgroups.clade.dev
WHO yes list imageclassgroups.clade.dev
WHO yes watch imageclassgroups.clade.dev
WHO yes list classpolicies.clade.dev
WHO yes watch classpolicies.clade.dev
WHO yes patch classpolicies.clade.dev --subresource status
WHO no patch classpolicies.clade.dev
WHO yes patch imageclasses.clade.dev --subresource status
WHO yes patch imageclassgroups.clade.dev --subresource status
WHO no create events.events.k8s.io --namespace default
WHO no patch imageclasses.clade.dev
WHO no update imageclasses.clade.dev --subresource status
WHO no create imageclasses.clade.dev
WHO no delete imageclassgroups.clade.dev'
# Nobody of clade may do any of these.
never='
WHO no get secrets
WHO no list secrets -A
WHO no create pods
WHO no get pods
WHO no create images.image.openshift.io
WHO no update images.image.openshift.io
WHO no delete images.image.openshift.io
WHO no deletecollection images.image.openshift.io
WHO no patch imagestreams.image.openshift.io
WHO no impersonate serviceaccounts
WHO no escalate clusterroles.rbac.authorization.k8s.io
WHO no patch events.events.k8s.io --namespace default'
sees_workloads='
WHO yes list pods -A
WHO yes watch pods -A
WHO yes list replicasets.apps -A
WHO yes list jobs.batch -A
WHO yes list replicationcontrollers -A
WHO yes list nodes
WHO yes list namespaces
WHO no list deployments.apps -A
WHO no delete pods -A
WHO no patch pods -A'
labels_workloads='
WHO yes list deployments.apps -A
WHO yes patch deployments.apps -A
WHO yes patch statefulsets.apps -A
WHO yes watch daemonsets.apps -A
WHO yes patch jobs.batch -A
WHO yes patch cronjobs.batch -A
WHO no patch replicasets.apps -A
WHO no patch pods -A
WHO no create deployments.apps -A
WHO no update deployments.apps -A
WHO no delete deployments.apps -A
WHO no patch deployments.apps --subresource scale -A'
labels_no_workloads='
WHO no list statefulsets.apps -A
WHO no patch deployments.apps -A
WHO no patch cronjobs.batch -A'
sees_no_workloads='
WHO no list pods -A
WHO no list nodes
WHO no list namespaces'
admits='
WHO yes get namespaces
WHO yes list namespaces
WHO yes watch namespaces
WHO no list pods -A
WHO yes list classpolicies.clade.dev
WHO yes patch classpolicies.clade.dev --subresource status
WHO no patch classpolicies.clade.dev
WHO yes list imageclasses.clade.dev
WHO yes patch imageclasses.clade.dev --subresource status
WHO no patch imageclasses.clade.dev
WHO no watch imageclasses.clade.dev
WHO no patch validatingwebhookconfigurations.admissionregistration.k8s.io'
sees_openshift='
WHO yes list images.image.openshift.io
WHO yes watch images.image.openshift.io
WHO yes list imagestreams.image.openshift.io -A
WHO yes watch imagestreams.image.openshift.io -A
WHO yes get imagestreams.image.openshift.io -A
WHO yes list buildconfigs.build.openshift.io -A
WHO yes watch buildconfigs.build.openshift.io -A'
sees_none='
WHO no list images.image.openshift.io
WHO no list imagestreams.image.openshift.io -A
WHO no list buildconfigs.build.openshift.io -A'
builds='
WHO yes get buildconfigs.build.openshift.io -A
WHO yes list builds.build.openshift.io -A
WHO yes get builds.build.openshift.io -A
WHO yes create buildconfigs.build.openshift.io --subresource instantiate -A
WHO yes create builds.build.openshift.io --subresource docker -A
WHO yes create builds.build.openshift.io --subresource source -A
WHO yes create builds.build.openshift.io --subresource custom -A
WHO no create builds.build.openshift.io -A
WHO no patch buildconfigs.build.openshift.io -A
WHO no delete builds.build.openshift.io -A'
builds_nothing='
WHO no create buildconfigs.build.openshift.io --subresource instantiate -A
WHO no list builds.build.openshift.io -A'
labels='
WHO yes get images.image.openshift.io
WHO yes list images.image.openshift.io
WHO yes watch images.image.openshift.io
WHO yes patch images.image.openshift.io'
counts='
WHO yes patch imageclasses.clade.dev --subresource status
WHO no patch imageclassgroups.clade.dev --subresource status
WHO yes list imageclasses.clade.dev
WHO no patch imageclasses.clade.dev
WHO no create events.events.k8s.io --namespace default'
as() { printf '%s\n' "${@:2}" | sed "s/^WHO /$1 /"; } # SERVICEACCOUNT LINES…

applies() { # yes|no ACCOUNT NAME: whether a server-side apply of an Image's labels by the account itself succeeds
  local config told
  config=$("$here/cluster.sh" kubeconfig "$server" "$namespace" "$2")
  told=$(kubectl --kubeconfig "$config" apply --server-side --field-manager clade-label -f - 2>&1 <<YAML
{apiVersion: image.openshift.io/v1, kind: Image, metadata: {name: "$3", labels: {class.clade.dev/rhel7: current}}}
YAML
  ) && [ "$1" = yes ] || { [ "$1" = no ] && grep -q forbidden <<<"$told"; } || complain "$2 applies labels to $3: $told"
}

alerts() { # those that the API server has taken
  local programs; programs=$("$here/../prometheus/fetch.sh")
  kubectl --namespace "$namespace" get prometheusrule clade --output 'jsonpath={.spec}' >"$work/rules.json"
  cp "$here/alerts.yaml" "$work"
  "$programs/promtool" check rules "$work/rules.json" >"$work/promtool.log" 2>&1 || complain "$(cat "$work/promtool.log")"
  "$programs/promtool" test rules "$work/alerts.yaml" >"$work/promtool.log" 2>&1 || complain "$(cat "$work/promtool.log")"
}

foreign_kinds

install single
restricted 1
{
  as clade "$classes" "$never" "$builds_nothing" "$sees_none" "$sees_workloads" "$labels_no_workloads"
  echo clade no create leases.coordination.k8s.io
  reviews clade
} | rights

install kafka monitoring cert-manager admission admission-clients reports
restricted 7
kubectl --namespace "$namespace" apply --dry-run=server -f "$deploy/strimzi/kafka.yaml" >/dev/null
alerts
{
  as clade-watch "$classes" "$never" "$builds_nothing" "$sees_none" "$sees_workloads"
  as clade-label "$counts" "$never" "$builds_nothing" "$sees_none" "$sees_no_workloads" "$labels_no_workloads"
  as clade-admit "$admits" "$never" "$builds_nothing" "$sees_none" "$labels_no_workloads"
  leases clade-admit
  printf 'clade-admit %s\n' 'yes list reports.openreports.io -A' 'yes patch reports.openreports.io -A' \
    'yes delete reports.openreports.io -A' 'no deletecollection reports.openreports.io -A'
  as clade-rebuilder "$never" "$builds_nothing" "$sees_none" "$sees_no_workloads"
  leases clade-rebuilder
  leases clade-watch
  leases clade-label
  echo clade-watch no update leases.coordination.k8s.io/clade-label
  nothing clade-auditor
  nothing clade-process
  nothing_else clade-serve
  reviews clade-serve
  reviews clade-rebuilder
  echo clade-watch no create tokenreviews.authentication.k8s.io
} | rights

install openshift monitoring route admission admission-openshift
restricted 7
grep -q 'runAsUser\|fsGroup:' "$work/openshift.yaml" && complain "the SCC chooses users and groups, and not we"
{
  as clade-watch "$classes" "$never" "$builds_nothing" "$sees_openshift" "$sees_workloads"
  echo clade-watch no patch images.image.openshift.io
  as clade-label "$counts" "$never" "$builds_nothing" "$labels" "$sees_no_workloads"
  as clade-rebuilder "$never" "$builds" "$sees_no_workloads"
  as clade-admit "$admits" "$never" "$builds_nothing"
  leases clade-admit
  echo clade-rebuilder no patch images.image.openshift.io
  leases clade-rebuilder
  echo clade-label no list imagestreams.image.openshift.io -A
  leases clade-watch
  leases clade-label
  nothing clade-auditor
  nothing clade-process
  nothing_else clade-serve
  reviews clade-serve
  reviews clade-rebuilder
  echo clade-watch no create tokenreviews.authentication.k8s.io
} | rights
image=sha256:$(printf %064d $RANDOM)
kubectl create -f - >/dev/null <<<"{apiVersion: image.openshift.io/v1, kind: Image, metadata: {name: \"$image\"}}"
applies yes clade-label "$image"
applies no clade-watch "$image"
# Else a label that comes late would bring back an image that was pruned, empty.
applies no clade-label "sha256:$(printf %064d 99999$RANDOM)"

install openshift-single
restricted 1
as clade "$classes" "$never" "$builds" "$sees_openshift" "$labels" "$sees_workloads" | rights

install single label-workloads-single
restricted 1
as clade "$classes" "$never" "$labels_workloads" | rights

install kafka label-workloads
restricted 6
as clade-label "$counts" "$never" "$sees_no_workloads" "$labels_workloads" | rights
grep -q CLADE_LABEL_WORKLOADS "$work/kafka.yaml" || complain "clade-label is not told to label workloads"

kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations clade >/dev/null
[ ! -e "$work/complaints" ] || fail "deploy/ is not as it should be, see above"
