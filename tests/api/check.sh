#!/usr/bin/env bash
# Asks a running clade as its own description says: schemathesis makes requests by chance and compares each answer with
# docs/reference/openapi.json; then a client that a stock generator makes of that file lists, pages and watches.
#
#   tests/api/check.sh http://127.0.0.1:7878
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib.sh
. "$here/../lib.sh"
[ $# = 1 ] || fail "usage: check.sh URL"
url=$1
schemathesis=$cache/schemathesis-4.32.5
generator=$cache/openapi-python-client-0.29.1
[ -d "$schemathesis" ] || venv "$schemathesis" schemathesis==4.32.5
[ -d "$generator" ] || venv "$generator" openapi-python-client==0.29.1 ruff==0.17.6

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# It leaves what it has seen in the folder that it runs in.
cd "$made"
"$schemathesis/bin/python" -m schemathesis.cli --config-file "$here/schemathesis.toml" run "$url/v1/openapi.json" \
  --no-color --max-examples "${CLADE_API_EXAMPLES:-50}" --generation-database none

# It formats what it has made with ruff, which it looks for in PATH.
PATH=$generator/bin:$PATH "$generator/bin/python" -m openapi_python_client generate \
  --path "$here/../../docs/reference/openapi.json" --output-path "$made/client" >"$made/log" 2>&1 ||
  { cat "$made/log" >&2; fail "the generator made no client"; }
PYTHONPATH=$made/client "$generator/bin/python" "$here/client.py" "$url"
