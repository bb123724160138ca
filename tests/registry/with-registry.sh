#!/usr/bin/env bash
# Runs a command while a real container registry runs: with-registry.sh COMMAND ARGUMENT…
# CLADE_TEST_REGISTRY names the folder of `registry.sh`; if it is set already, that registry is used and left running.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${CLADE_TEST_REGISTRY:-}" ]; then
  CLADE_TEST_REGISTRY=$(mktemp -d)
  export CLADE_TEST_REGISTRY
  trap '"$here/registry.sh" stop "$CLADE_TEST_REGISTRY"; rm -rf "$CLADE_TEST_REGISTRY"' EXIT
  "$here/registry.sh" start "$CLADE_TEST_REGISTRY" >/dev/null
fi
"$@"
