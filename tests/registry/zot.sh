#!/usr/bin/env bash
# zot, a container registry of another making: zot.sh prints the path of the program. It is built into the cache once, from
# Go modules and without extensions, which takes some minutes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# Go modules have no later version under a name that the proxy serves.
module=github.com/project-zot/zot version=v1.4.3
home=$cache/zot-$version

if [ ! -d "$home" ]; then
  new=$(part "$home")
  # Of all that Go downloads and builds, one program is kept.
  trap 'chmod -R u+w "$new"; rm -rf "$new"' EXIT
  export GOMODCACHE=$new/go/mod GOCACHE=$new/go/build GOFLAGS=-mod=readonly CGO_ENABLED=0
  echo "building zot $version into $home: once, some minutes" >&2
  from=$(cd "$new" && go_ mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [ -n "$from" ] || fail "Go could not download $module $version; what it said stands above"
  # The module calls itself by another name than that which Go has it under, so it is built where its sources are. The tag
  # has signatures checked in Go instead of by a library in C.
  (cd "$from" && go_ build -trimpath -buildvcs=false -tags containers_image_openpgp -ldflags "-s -w" -o "$new/zot" ./cmd/zot) ||
    fail "Go could not build zot $version; what it said stands above"
  chmod -R u+w "$new/go"
  rm -rf "$new/go"
  keep "$new" "$home"
  trap - EXIT
fi
echo "$home/zot"
