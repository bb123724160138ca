#!/usr/bin/env bash
# The page on a history: make bench-page. CLADE_BENCH_HISTORY is a folder to import; without, CLADE_BENCH_IMAGES (1,000,000)
# images are generated. CLADE_BENCH_CLASSES is the file of the classes (those of `clade demo`), CLADE_BENCH_SECONDS (600) the time
# for which a page is followed.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
clade=$1
images=${CLADE_BENCH_IMAGES:-1000000}
work=$(mktemp -d)
trap 'kill "${served:-}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
history=${CLADE_BENCH_HISTORY:-$work/lines}
[ -n "${CLADE_BENCH_HISTORY:-}" ] || "$clade" generate --images "$images" "$history" >&2
"$clade" apply -f "${CLADE_BENCH_CLASSES:-$root/src/cli/demo/classes.yaml}" --data-dir "$work/data" >&2
"$clade" import "$history" --data-dir "$work/data" >&2
rm -rf "$work/lines"
"$clade" run --listen 127.0.0.1:0 --data-dir "$work/data" >"$work/told" 2>&1 &
served=$!
url=
for _ in $(seq 600); do
  url=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$work/told" | head -n 1) || true
  [ -n "$url" ] && curl --silent --fail --output /dev/null "$url/readyz" && break
  sleep 0.2
done
curl --silent "$url/v1/coverage" | grep -o '"images":[0-9]*' | head -n 1
"$root/tests/page/chromium.sh" "$root/benches/page/measure.mjs" "$url" "$clade" "$work/data" "${CLADE_BENCH_SECONDS:-600}"
