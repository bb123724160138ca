#!/usr/bin/env bash
# Looks at the page of a running clade in Debian's Chromium: tests/page/look.sh URL CLADE DATA_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib.sh
. "$here/../lib.sh"
[ $# = 3 ] || fail "usage: look.sh URL CLADE DATA_DIR"
need node "nodejs of Debian"
need npm "npm of Debian"
need chromium "chromium of Debian"
tools=$cache/page-playwright-core-1.56.1-axe-core-4.11.0
if [ ! -d "$tools" ]; then
  new=$(part "$tools")
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$new" playwright-core@1.56.1 axe-core@4.11.0 >&2 ||
    fail "npm could not install playwright-core and axe-core; what it said stands above"
  keep "$new" "$tools"
fi
# Node looks for packages beside the file that imports them.
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
cp "$here/look.mjs" "$made"
ln -s "$tools/node_modules" "$made/node_modules"
node "$made/look.mjs" "$@" "$tools/node_modules/axe-core/axe.min.js"
