#!/usr/bin/env bash
# Builds images with the tools that people have, pushes them into a registry and saves them, as the tools do by themselves:
# build.sh HOST:PORT DIR [move]. Prints `REPOSITORY:TAG DIGEST` of each pushed image, DIGEST as the registry tells it.
#
#   base/os:latest      a base, from scratch                 base/zstd:latest  another, which podman pushes as zstd:chunked
#   team/app:1          built on base/os by buildah          team/docker:1     the same in Docker's format
#   team/layers:1       by podman from a Containerfile       team/flat:1       by buildah from it: one layer for all steps
#   team/multistage:1   by buildah, in several stages        team/squashed:1   by buildah, all in one layer, the base as well
#   team/zstd:1, team/chunked:1    pushed by podman with layers of its own in zstd and zstd:chunked
#   team/on-zstd:1      built on base/zstd
#   team/multi:1        an index of buildah's, for amd64 and arm64; team/listed:1 the same of podman's
#
# `move` pushes a new base/os:latest, and team/app:2, built on that. Below DIR, saved/old has base/os:latest and team/app:1
# in each form that a tool saves them in, saved/new those of after `move` and team/app:2: see save(). storage/ is that of
# buildah and podman, which need no container engine for this.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
[ $# = 2 ] || [ "$#-${3:-}" = 3-move ] || fail "build where? build.sh HOST:PORT DIR [move]"
for tool in buildah podman skopeo umoci; do need "$tool" "$tool of Debian"; done
registry=$1
mkdir -p "$2" && cd "$2"
printf '%s\n' '[storage]' 'driver = "vfs"' "graphroot = \"$PWD/storage/root\"" "runroot = \"$PWD/storage/run\"" \
  "rootless_storage_path = \"$PWD/storage/root\"" >storage.conf
export CONTAINERS_STORAGE_CONF=$PWD/storage.conf

quietly() { # COMMAND…: what it says is shown if it fails
  "$@" >said 2>&1 || { cat said >&2; fail "$* has failed; what it said stands above"; }
}

file() { # NAME: a file that says what it is called
  mkdir -p context && seq -f "$1 %g" 1 500 >"context/$1"
}

on() { # FROM IMAGE NAME [OPTION…]: an image on another one, or on `scratch`, with one more layer; OPTIONs are of commit
  local container
  file "$3"
  container=$(buildah from --quiet --tls-verify=false "$1") || fail "buildah found no $1"
  quietly buildah copy "$container" "context/$3" "/opt/$3"
  quietly buildah config --cmd "/opt/$3" "${architecture[@]}" "$container"
  quietly buildah commit "${@:4}" "$container" "$2"
  quietly buildah rm "$container"
}
architecture=()

push() { # TOOL NAME [OPTION…]
  quietly "$1" push --tls-verify=false "${@:3}" "$registry/$2"
  told "$2"
}

inspect() { skopeo inspect --tls-verify=false "${@:2}" "docker://$1" || fail "skopeo could not read $1"; }

told() { # NAME: the digest, of the index if it is one
  local digest
  digest=$(inspect "$registry/$1" --raw | sha256sum)
  echo "$1 sha256:${digest%% *}"
}

copy() { quietly skopeo --insecure-policy copy --src-tls-verify=false "$@"; }

save() { # DIR BASE APP, names in the registry: a folder below DIR for each form, with both images in it
  local dir=$1 base=$registry/$2 app=$registry/$3 form image name
  mkdir -p "$dir"/{podman-{docker-archive,oci-archive,oci-dir,docker-dir,multi,inspect},umoci} \
    "$dir"/{buildah,skopeo}-{docker-archive,oci-archive,oci,dir} "$dir"/skopeo-{inspect,raw,formatted,sync}
  quietly podman save --multi-image-archive -o "$dir/podman-multi/both.tar" "$base" "$app"
  podman inspect "$base" "$app" >"$dir/podman-inspect/both"
  for image in "$base" "$app"; do
    name=${image##*/} name=${name%:*}
    for form in docker-archive oci-archive oci-dir docker-dir; do
      quietly podman save --format "$form" -o "$dir/podman-$form/$name" "$image"
    done
    for form in docker-archive oci-archive oci; do
      quietly buildah push "$image" "$form:$dir/buildah-$form/$name:$image"
      copy "docker://$image" "$form:$dir/skopeo-$form/$name:$image"
    done
    quietly buildah push "$image" "dir:$dir/buildah-dir/$name"
    copy "docker://$image" "dir:$dir/skopeo-dir/$name"
    quietly skopeo sync --src docker --dest dir --src-tls-verify=false "$image" "$dir/skopeo-sync"
    inspect "$image" >"$dir/skopeo-inspect/$name"
    # A manifest and its config, each in a file of its own.
    inspect "$image" --raw | tee "$dir/skopeo-formatted/$name-manifest" >"$dir/skopeo-raw/$name-manifest"
    inspect "$image" --config --raw >"$dir/skopeo-raw/$name-config"
    inspect "$image" --config >"$dir/skopeo-formatted/$name-config"
  done
  # umoci makes an image of its own on that of another tool.
  cp -r "$dir/skopeo-oci/os" "$dir/umoci/both"
  file umoci
  quietly umoci config --image "$dir/umoci/both:$base" --tag "$app" --config.cmd /opt/umoci
  quietly umoci insert --rootless --image "$dir/umoci/both:$app" context/umoci /opt/umoci
}

if [ "${3:-}" = move ]; then
  on scratch "$registry/base/os:latest" os-2
  push buildah base/os:latest
  on "$registry/base/os:latest" "$registry/team/app:2" app-2
  push buildah team/app:2
  save saved/new base/os:latest team/app:2
  exit
fi

on scratch "$registry/base/os:latest" os-1
push buildah base/os:latest
on scratch "$registry/base/zstd:latest" zstd-1
push podman base/zstd:latest --compression-format zstd:chunked

on "$registry/base/os:latest" "$registry/team/app:1" app-1
push buildah team/app:1
on "$registry/base/os:latest" "$registry/team/docker:1" docker-1 --format docker
push buildah team/docker:1
on "$registry/base/zstd:latest" "$registry/team/on-zstd:1" on-zstd-1
push podman team/on-zstd:1
for format in zstd chunked; do
  on "$registry/base/os:latest" "$registry/team/$format:1" "$format-1"
  push podman "team/$format:1" --compression-format "${format/chunked/zstd:chunked}"
done

file step-1 && file step-2
printf '%s\n' "FROM $registry/base/os:latest" "COPY step-1 /opt/" "COPY step-2 /opt/" "ENV A=b" >Containerfile
printf '%s\n' "FROM $registry/base/os:latest AS first" "COPY step-1 /opt/" "FROM scratch AS tools" "COPY step-2 /tool" \
  "FROM first" "COPY --from=tools /tool /opt/" >Multistage
build() { quietly "$1" build --isolation chroot --tls-verify=false -t "$registry/$2" "${@:3}" context; }
build podman team/layers:1 -f Containerfile
push podman team/layers:1
build buildah team/flat:1 -f Containerfile
push buildah team/flat:1
build buildah team/multistage:1 -f Multistage
push buildah team/multistage:1
build buildah team/squashed:1 -f Containerfile --squash
push buildah team/squashed:1

for tool in buildah:multi podman:listed; do
  list=$registry/team/${tool#*:}:1
  quietly "${tool%:*}" manifest create "$list"
  for one in amd64 arm64; do
    architecture=(--arch "$one")
    [ "${tool%:*}" = podman ] || on "$registry/base/os:latest" "localhost/multi-$one" "multi-$one"
    quietly "${tool%:*}" manifest add "$list" "containers-storage:localhost/multi-$one"
  done
  architecture=()
  quietly "${tool%:*}" manifest push --all --tls-verify=false "$list" "docker://$list"
  told "team/${tool#*:}:1"
done
save saved/old base/os:latest team/app:1
