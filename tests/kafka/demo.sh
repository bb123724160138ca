#!/usr/bin/env bash
# The demo on Apache Kafka: demo.sh CLADE, run by with-broker.sh.
set -euo pipefail
clade=$1
CLADE_KAFKA=$(cat "$CLADE_TEST_KAFKA/bootstrap")
export CLADE_KAFKA
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$dir"' EXIT

say() { printf '\n# %s\n$ clade %s\n' "$1" "${*:2}"; "$clade" "${@:2}"; }
url() { # the address that a service prints when it runs
  local try
  for try in $(seq 1 300); do [ -s "$1" ] && { cat "$1"; return; }; sleep 0.1; done
  echo "a service did not start: see above" >&2; exit 1
}

echo "Apache Kafka runs at $CLADE_KAFKA"
say "What the cluster lacks is created" topics apply --partitions 4
"$clade" generate "$dir/registry" --images 5000 2>/dev/null
printf '\n# Two processors share the partitions, and a third process answers questions\n'
printf '$ clade process &\n$ clade process &\n$ clade serve &\n'
"$clade" process >"$dir/one" 2>"$dir/one.log" &
"$clade" process >"$dir/two" 2>"$dir/two.log" &
"$clade" serve >"$dir/serve" 2>"$dir/serve.log" &
"$clade" watch >"$dir/watch" 2>"$dir/watch.log" &
url "$dir/one" >/dev/null; url "$dir/two" >/dev/null
server=$(url "$dir/serve") watch=$(url "$dir/watch")
say "Classes are declared at the process that publishes" apply --server "$watch" -f src/cli/demo/classes.yaml
kill %4; wait %4 2>/dev/null || true
say "A made-up registry's year is published" import "$dir/registry"
classes() { "$clade" get classes --server "$server" -o json; }
for try in $(seq 1 300); do
  [ "$("$clade" get images --server "$server" -o name | wc -l)" -ge 5000 ] && break
  sleep 0.2
done
say "What the read replica answers" get classes --server "$server"
say "Who uses what is licensed" usage --class openjdk8 --limit 3 --server "$server"
printf '\n# Prometheus asks each process\n$ curl %s/metrics\n' "$(cat "$dir/one")"
python3 - "$(cat "$dir/one")" <<'PY'
import sys, urllib.request
text = urllib.request.urlopen(sys.argv[1] + "/metrics").read().decode()
print("".join(l + "\n" for l in text.splitlines() if l.startswith(("clade_records", "clade_transitions", "clade_commit_seconds_sum", "clade_commit_seconds_count"))), end="")
PY
