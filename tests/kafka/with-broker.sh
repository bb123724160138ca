#!/usr/bin/env bash
# Runs a command while a real Apache Kafka runs: with-broker.sh COMMAND ARGUMENT…
# CLADE_TEST_KAFKA names the folder of `broker.sh`; if it is set already, that broker is used and left running.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${CLADE_TEST_KAFKA:-}" ]; then
  CLADE_TEST_KAFKA=$(mktemp -d)
  export CLADE_TEST_KAFKA
  trap '"$here/broker.sh" stop "$CLADE_TEST_KAFKA"; rm -rf "$CLADE_TEST_KAFKA"' EXIT
  "$here/broker.sh" start "$CLADE_TEST_KAFKA" >/dev/null
fi
"$@"
