#!/usr/bin/env bash
# Sees to it that the tools are there which are needed to build (tools.sh build) or also to test (tools.sh test). What
# Debian has is installed if that may be done: by root, where there is apt-get. Else each missing tool is named, with
# what to install.
set -euo pipefail

what=${1:-build}
missing=() packages=()
lacks() { # PACKAGE TOOL: remembers what is missing
  missing+=("$2 is missing: install $1 of Debian, or what your system calls it")
  packages+=("$1")
}

look() {
  missing=() packages=()
  command -v cc >/dev/null || lacks build-essential "cc, a C compiler,"
  command -v pkg-config >/dev/null || lacks pkg-config pkg-config
  pkg-config --exists libssl 2>/dev/null || lacks libssl-dev "OpenSSL (libssl)"
  pkg-config --exists zlib 2>/dev/null || lacks zlib1g-dev zlib
  [ "$what" = test ] || return 0
  command -v java >/dev/null && command -v keytool >/dev/null || lacks default-jdk-headless "java of version 17 or later"
  command -v mvn >/dev/null || lacks maven "mvn, Apache Maven,"
  command -v python3 >/dev/null || lacks python3 python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || lacks python3-venv "venv of python3"
  command -v curl >/dev/null || lacks curl curl
  command -v node >/dev/null || lacks nodejs node
  command -v npm >/dev/null || lacks npm npm
  # Without a font nothing on a page has its size.
  command -v chromium >/dev/null || { lacks chromium "chromium, a browser,"; packages+=(fonts-dejavu-core); }
  command -v kcat >/dev/null || lacks kcat kcat
  command -v openssl >/dev/null || lacks openssl openssl
  command -v etcd >/dev/null || lacks etcd-server "etcd, which Kubernetes keeps its objects in,"
  command -v docker-registry >/dev/null || lacks docker-registry "docker-registry, a container registry,"
  command -v skopeo >/dev/null || lacks skopeo "skopeo, which copies images,"
  command -v umoci >/dev/null || lacks umoci "umoci, which makes images,"
  command -v buildah >/dev/null || lacks buildah "buildah, which builds images,"
  command -v podman >/dev/null || lacks podman "podman, which builds and saves images,"
}

look
if [ ${#packages[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${packages[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  # What became of it, the second look tells.
  { apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${packages[@]}"; } >&2 || true
  look
fi
# Go is not among them: where it is missing or too old, as Debian's often is, lib.sh fetches it from PyPI.
command -v cargo >/dev/null || missing+=("cargo is missing: install Rust with rustup (https://rustup.rs)")
[ ${#missing[@]} -eq 0 ] && exit
printf '%s\n' "${missing[@]}" >&2
exit 1
