#!/usr/bin/env bash
# Prints the folder of prometheus and promtool: those of this machine, else of Debian's package, which goes into the cache and is
# not installed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
if type -P prometheus >/dev/null && type -P promtool >/dev/null; then
  dirname "$(type -P prometheus)"
  exit
fi
home=$cache/prometheus
if [ ! -d "$home" ]; then
  command -v apt-get >/dev/null || fail "prometheus and promtool are missing: install what your system has of Prometheus"
  echo "fetching Debian's package prometheus into $home" >&2
  new=$(part "$home")
  (cd "$new" && { apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }; } &&
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/prometheus ./usr/bin/promtool && rm prometheus_*.deb) \
    >"$new.log" 2>&1 || fail "Prometheus could not be had from Debian's package: $(cat "$new.log")"
  rm "$new.log"
  keep "$new" "$home"
fi
echo "$home/usr/bin"
