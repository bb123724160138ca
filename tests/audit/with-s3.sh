#!/usr/bin/env bash
# Runs a command while an S3-compatible server (moto's) runs: with-s3.sh COMMAND ARGUMENT…
# The AWS_… variables say where it is; it has a bucket `audit`. If AWS_ENDPOINT is set already, that server is used.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
if [ -z "${AWS_ENDPOINT:-}" ]; then
  packages=("moto[server,s3]==5.1.18")
  python=$cache/s3-$(echo "${packages[@]}" | sha256sum | cut -c1-12)
  [ -d "$python" ] || venv "$python" "${packages[@]}"
  work=$(mktemp -d)
  trap 'end "$work/server.pid"; rm -rf "$work"' EXIT
  port=$(free_ports 1)
  "$python/bin/python" -m moto.server -H 127.0.0.1 -p "$port" >"$work/server.log" 2>&1 &
  echo $! >"$work/server.pid"
  export AWS_ENDPOINT=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
  # Nobody looks there at who makes a bucket.
  bucket() {
    "$python/bin/python" -c 'import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method="PUT"))' \
      "$AWS_ENDPOINT/audit" 2>"$work/bucket.log"
  }
  for _ in $(seq 1 150); do bucket && break; sleep 0.2; done
  bucket || fail "the S3-compatible server did not start: $(tail -n 5 "$work/server.log" "$work/bucket.log")"
fi
"$@"
