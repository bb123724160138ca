#!/usr/bin/env bash
# Runs a script that drives Debian's Chromium: tests/page/chromium.sh SCRIPT ARGUMENT… The script gets the arguments, and in
# AXE_FILE the file of axe-core.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib.sh
. "$here/../lib.sh"
[ $# -ge 1 ] || fail "usage: chromium.sh SCRIPT ARGUMENT…"
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
cp "$1" "$here/browser.mjs" "$made"
ln -s "$tools/node_modules" "$made/node_modules"
export AXE_FILE=$tools/node_modules/axe-core/axe.min.js
node "$made/$(basename "$1")" "${@:2}"
