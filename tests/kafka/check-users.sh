#!/usr/bin/env bash
# Runs the services on a real Apache Kafka that has the ACLs of deploy/strimzi/users.yaml, each with the certificate of its
# user and the properties of overlays/kafka: check-users.sh CLADE. Everything works, nothing is refused that is asked for,
# and what is another service's is refused.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
clade=$1 work=$(mktemp -d)
trap 'end "$work"/*.pid; "$here/broker.sh" stop "$work/broker"; rm -rf "$work"' EXIT

read -ra packages <<<"$(sed -n 's/^ *pip install //p' "$here/acls.py")"
python=$cache/acls-$(echo "${packages[@]}" | sha256sum | cut -c1-12)
[ -d "$python" ] || venv "$python" "${packages[@]}"
python=$python/bin/python
need kcat "kcat of Debian"

# The listener beside the open one has client certificates in place of passwords; who comes by the open one may do all.
certificate "$work/clients-ca" clients-ca DNS:clients-ca
CLADE_BROKER_PROPERTIES="
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SSL
listener.name.sasl_ssl.ssl.client.auth=required
listener.name.sasl_ssl.ssl.truststore.type=PEM
listener.name.sasl_ssl.ssl.truststore.location=$work/clients-ca.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS" "$here/broker.sh" start "$work/broker" >"$work/bootstrap"
CLADE_KAFKA=$(cat "$work/bootstrap") "$clade" topics apply --partitions 4 >/dev/null
"$python" "$here/acls.py" "$(cat "$work/bootstrap")" "$root/deploy/strimzi/users.yaml"
# The user of a subscriber stands in the documentation.
sed -n '/^```yaml/,/^```$/{/^```/d; p}' "$root/topics/README.md" >"$work/subscriber.yaml"
grep -q '{name: alerts' "$work/subscriber.yaml" || fail "topics/README.md has no KafkaUser alerts any more"
"$python" "$here/acls.py" "$(cat "$work/bootstrap")" "$work/subscriber.yaml"
CLADE_KAFKA=$(cat "$work/broker/sasl")
export CLADE_KAFKA CLADE_LOG=info,clade::kafka=debug

for user in clade-watch clade-process clade-serve clade-admit clade-label clade-rebuilder clade-auditor alerts; do
  mkdir "$work/$user"
  certificate "$work/$user/user" "$user" "DNS:$user" "$work/clients-ca"
  mv "$work/$user/user.pem" "$work/$user/user.crt"
  sed "s:/etc/clade/ca/ca.crt:$work/broker/ca.pem:; s:/etc/clade/user:$work/$user:" \
    "$root/deploy/overlays/kafka/client.properties" >"$work/$user/client.properties"
done
as() { CLADE_KAFKA_CONFIG_FILE=$work/$1/client.properties "$clade" "${@:2}"; } # USER ARGUMENT…
start() { # SERVICE ARGUMENT…: as its user; the number of the process is its own, so that it can be ended
  : >"$work/$1.url"
  env CLADE_KAFKA_CONFIG_FILE="$work/clade-$1/client.properties" "$clade" "$@" >"$work/$1.url" 2>>"$work/$1.log" &
  echo $! >"$work/$1.pid"
}
url() { # SERVICE: where it listens
  local _
  for _ in $(seq 1 300); do [ -s "$work/$1.url" ] && { cat "$work/$1.url"; return; }; sleep 0.1; done
  fail "$1 did not start: $(tail -n 5 "$work/$1.log")"
}
until_() { # WHAT COMMAND…: waits for two minutes
  local _
  for _ in $(seq 1 240); do "${@:2}" >/dev/null 2>&1 && return; sleep 0.5; done
  tail -n 5 "$work"/*.log >&2
  fail "$1"
}

"$clade" generate "$work/registry" --images 500 2>/dev/null
echo '{"nonsense": true}' >>"$work/registry/images.jsonl"
cat >"$work/registry/cluster.json" <<'JSON'
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "build.openshift.io/v1", "kind": "BuildConfig", "metadata": {"name": "api", "namespace": "payments"},
   "spec": {"strategy": {"type": "Docker", "dockerStrategy": {"from": {"kind": "ImageStreamTag", "name": "base:latest"}}}}}]}
JSON
# A broker learns of topics and rights a moment after they are made.
for user in clade-watch clade-process clade-serve clade-admit clade-rebuilder clade-auditor; do until_ "$user does not see the topics" as $user topics check; done
start process --snapshots "$work/snapshots"
start serve
start rebuilder --sink http://127.0.0.1:9
start auditor --audit-dir "$work/audit"
start watch --from "$work/registry"
server=$(url serve)
url process >/dev/null
"$clade" apply --server "$(url watch)" -f "$root/src/cli/demo/classes.yaml" >/dev/null

members() { "$clade" get images --class rhel7 --state outdated -o name --server "$server" | grep -q .; }
until_ "nothing is classified" members
# What is no record of clade's, from somebody else, becomes a dead letter of the processor, too.
echo stranger:nonsense | kcat -P -b "$(cat "$work/bootstrap")" -t images -p 0 -K :
letters() {
  "$clade" subscribe dead-letters --server "$server" >"$work/letters"
  grep -q stranger "$work/letters" && grep -q jsonl "$work/letters"
}
until_ "the watcher or the processor has written no dead letter" letters
built() { kcat -C -e -q -b "$(cat "$work/bootstrap")" -t buildconfigs | grep -q payments; }
until_ "the watcher has written no BuildConfig" built
for service in process serve watch rebuilder auditor; do
  until_ "$service is not ready" python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1] + "/readyz")' "$(url $service)"
done
rebuilds() { "$clade" rebuild --class rhel7 --notify -o name --server "$(url rebuilder)" | grep -q rhel7-; }
until_ "the rebuilder begins no rebuild" rebuilds
audited() { "$clade" audit show --audit-dir "$work/audit" --rebuild rhel7-1 | grep -q rebuild.begun; }
until_ "the auditor has no entry of the rebuild" audited
"$clade" audit verify --audit-dir "$work/audit" >"$work/verified" || fail "$(cat "$work/verified")"
# The next one reads back what this one has written.
end "$work/watch.pid"
start watch --from "$work/registry"
sed 's/rhel7/rhel8/g' "$root/src/cli/demo/classes.yaml" >"$work/more.yaml"
declared() { "$clade" apply --server "$(url watch)" -f "$work/more.yaml"; }
until_ "a second watcher cannot go on" declared
grep -il 'not authorized\|authorization failed\|AuthorizationFailed\|does not let us' "$work"/{process,serve,watch,rebuilder,auditor}.log &&
  fail "a service was refused what it asked for: $(grep -i 'authoriz\|let us' "$work"/*.log | head -n 3)"

# A subscriber, alone and in a group, by what the documentation says that it needs.
as alerts subscribe outdated --group os >"$work/alone" 2>"$work/alone.log" || fail "alerts cannot subscribe: $(cat "$work/alone.log")"
[ -s "$work/alone" ] || fail "alerts is told of nothing"
timeout -s INT 60 env CLADE_KAFKA_CONFIG_FILE="$work/alerts/client.properties" \
  "$clade" subscribe outdated --follow --consumer-group alerts 2>"$work/grouped.log" | head -n 1 >"$work/grouped"
[ -s "$work/grouped" ] || fail "alerts cannot subscribe in its group: $(cat "$work/grouped.log")"
as alerts subscribe classifications >"$work/refused.log" 2>&1 && fail "alerts may read classifications"
grep -qi authoriz "$work/refused.log" || fail "alerts cannot read classifications, and not for want of rights: $(cat "$work/refused.log")"

read_as() { # USER TOPIC: how many records it reads
  kcat -C -e -q -b "$CLADE_KAFKA" -t "$2" -X security.protocol=ssl -X "ssl.ca.location=$work/broker/ca.pem" \
    -X "ssl.certificate.location=$work/$1/user.crt" -X "ssl.key.location=$work/$1/user.key" 2>"$work/kcat.log" | wc -l
}
for topic in catalog classifications; do
  [ "$(read_as clade-label $topic)" -gt 0 ] || fail "clade-label cannot read $topic: $(cat "$work/kcat.log")"
done
for other in "clade-label images" "clade-process buildconfigs" "clade-watch classifications" "clade-label rebuilds" "clade-auditor images" "clade-label decisions"; do
  # shellcheck disable=SC2086 # two words
  [ "$(read_as $other)" = 0 ] || fail "$other: may be read"
  grep -qi authoriz "$work/kcat.log" || fail "$other: $(cat "$work/kcat.log")"
done
for user in clade-process clade-serve clade-admit clade-label clade-rebuilder clade-auditor; do
  as $user import "$work/registry" >"$work/refused.log" 2>&1 && fail "$user may publish"
  grep -qi authoriz "$work/refused.log" || fail "$user cannot publish, and not for want of rights: $(cat "$work/refused.log")"
done
