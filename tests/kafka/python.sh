#!/usr/bin/env bash
# Prints a Python that has what topics/consume.py says it needs; made once, in the cache.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -ra packages <<<"$(sed -n 's/^ *pip install //p' "$here/../../topics/consume.py")"
venv=${XDG_CACHE_HOME:-$HOME/.cache}/clade/python-$(echo "${packages[@]}" | sha256sum | cut -c1-12)
command -v python3 >/dev/null || { echo "python3 is missing: install python3 and python3-venv of Debian" >&2; exit 1; }
if [ ! -x "$venv/bin/python" ]; then
  part=$(mktemp -d "$(mkdir -p "${venv%/*}" && echo "$venv").XXXXXX")
  python3 -m venv "$part" >&2
  "$part/bin/pip" --quiet --disable-pip-version-check install "${packages[@]}" >&2
  mv -T "$part" "$venv" 2>/dev/null || rm -rf "$part"
fi
echo "$venv/bin/python"
