#!/usr/bin/env bash
# A real container registry on this machine, without containers: for tests.
#
#   registry.sh start DIR [--auth] [--tls]  start it on a free port of 127.0.0.1, data and logs below DIR; prints HOST:PORT
#   registry.sh start DIR --zot             the same with zot instead of docker-registry
#   registry.sh stop DIR                    stop it
#
# Below DIR, `address` is HOST:PORT; registry.pid, registry.log and config.yml are the process's. With --auth it lets in
# user clade, password secret, alone; with --tls it speaks TLS alone, with a certificate of the CA DIR/ca.pem. Tags and
# manifests can be deleted. It tells CLADE_REGISTRY_NOTIFY, a URL, of each push, pull and deletion.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

configure() { # DIR ADDRESS OPTION…: writes what `docker-registry serve` reads
  local dir=$1 address=$2 option
  cat <<CONF
version: 0.1
log: {accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $dir/data}, delete: {enabled: true}}
http:
  addr: $address
CONF
  for option in "${@:3}"; do
    case $option in
      --tls)
        certificate "$dir/ca" clade-ca DNS:clade-ca
        certificate "$dir/registry" registry IP:127.0.0.1,DNS:localhost "$dir/ca"
        echo "  tls: {certificate: $dir/registry.pem, key: $dir/registry.key}" ;;
      --auth) ;;
      *) fail "what is $option? registry.sh start DIR [--auth] [--tls]" ;;
    esac
  done
  if [[ " $* " = *" --auth "* ]]; then
    # bcrypt of "secret" at the lowest cost: it is computed at each request.
    # shellcheck disable=SC2016
    echo 'clade:$2b$04$KHAM4gh2ieZZxIJOFbxWK.Nfu985NtzvKwanabWHdoq4QS3ZEqOoW' >"$dir/htpasswd"
    echo "auth: {htpasswd: {realm: clade, path: $dir/htpasswd}}"
  fi
  [ -z "${CLADE_REGISTRY_NOTIFY:-}" ] || cat <<CONF
notifications:
  endpoints: [{name: clade, url: "$CLADE_REGISTRY_NOTIFY", timeout: 2s, threshold: 5, backoff: 1s}]
CONF
}

configure_zot() { # DIR ADDRESS: the same for `zot serve`
  cat <<CONF
{"distSpecVersion": "1.0.1-dev", "storage": {"rootDirectory": "$1/data"}, "log": {"level": "info"},
 "http": {"address": "${2%:*}", "port": "${2#*:}"}}
CONF
}

listens() { : 2>/dev/null <"/dev/tcp/${1/://}"; }

start() { # DIR OPTION…
  local dir=$1 address program=docker-registry config=$1/config.yml
  if [ "${*:2}" = --zot ]; then
    program=$("$here/zot.sh") config=$dir/config.json
  fi
  need "$program" "docker-registry of Debian"
  address=127.0.0.1:$(free_ports 1)
  case $config in
    *.json) configure_zot "$dir" "$address" >"$config" ;;
    *) configure "$dir" "$address" "${@:2}" >"$config" ;;
  esac
  launch "$dir" registry "$program" serve "$config"
  wait_until "$dir" registry listens "$address"
  echo "$address" | tee "$dir/address"
}

case "${1:-} ${2:+DIR}" in
  "start DIR") start "$(mkdir -p "$2" && cd "$2" && pwd)" "${@:3}" ;;
  "stop DIR") end "$2/registry.pid" ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
