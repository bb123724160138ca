#!/usr/bin/env bash
# Runs a command while a real Kubernetes API server runs: with-cluster.sh COMMAND ARGUMENT…
# CLADE_TEST_KUBERNETES names the folder of `cluster.sh`; if it is set already, that server is used and left running.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${CLADE_TEST_KUBERNETES:-}" ]; then
  CLADE_TEST_KUBERNETES=$(mktemp -d)
  export CLADE_TEST_KUBERNETES
  trap '"$here/cluster.sh" stop "$CLADE_TEST_KUBERNETES"; rm -rf "$CLADE_TEST_KUBERNETES"' EXIT
  "$here/cluster.sh" start "$CLADE_TEST_KUBERNETES" >/dev/null
fi
"$@"
