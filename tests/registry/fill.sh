#!/usr/bin/env bash
# Pushes images as people have them into a registry: fill.sh HOST:PORT [move]. Prints `REPOSITORY:TAG DIGEST` of each.
#
#   base/os:latest     a base, linux/amd64                 base/multi:latest  another, an index of amd64 and arm64
#   team/app:1         built on base/os                    team/multi:1       built on base/multi, an index as well
#   team/app:zstd      team/app:1 recompressed from gzip to zstd: the same layers, other blobs
#   team/app:sha256-….sig  a signature of team/app:1, as cosign pushes it
#   team/attested:1    team/app:1 in an index with its attestation (unknown/unknown), as BuildKit pushes it
#   team/squashed:1    team/app:1 in one layer; annotations say that it is built on HOST:PORT/base/os:latest
#
# `move` pushes new versions of both bases to the same tags. All but the squashed image have the same digests each time,
# on each machine that has the same versions of umoci and skopeo. The registry may want TLS, or user clade.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
[ $# = 1 ] || [ "$#-${2:-}" = 2-move ] || fail "fill what? fill.sh HOST:PORT [move]"
need umoci "umoci of Debian"
need skopeo "skopeo of Debian"
need python3 "python3 of Debian"
registry=$1 made=2026-01-01T00:00:00Z
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
umoci init --layout images

image() { # NAME ARCHITECTURE [FROM]: an image as yet without a layer, or on another one
  [ -n "${3:-}" ] || umoci new --image "images:$1"
  umoci config --image "images:${3:-$1}" --tag "$1" --created "$made" --architecture "$2" --config.env "NAME=$1" \
    --history.created "$made" --history.created_by "ENV NAME=$1"
}

layer() { # NAME PATH…: a layer with files that say what they are called
  mkdir -p tree/opt
  printf '%s\n' "${@:2}" | while read -r path; do seq -f "$path %g" 1 500 >"tree/opt/$path"; done
  find tree -exec touch -d "$made" {} +
  umoci insert --rootless --image "images:$1" --history.created "$made" --history.created_by "COPY ${*:2} /opt" tree /
  rm -rf tree
}

write() { # COMMAND: Python with the layout at hand, for what umoci does not make
  python3 - <<PY
import hashlib, json
def blob(data, media, **more):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("images/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data), **more}
layout = json.load(open("images/index.json"))
REF, OCI = "org.opencontainers.image.ref.name", "application/vnd.oci.image."
def find(tag):
    found = next(m for m in layout["manifests"] if m["annotations"][REF] == tag)
    return {key: found[key] for key in ("mediaType", "digest", "size")}
def tag(name, found):
    layout["manifests"].append({**found, "annotations": {REF: name}})
    json.dump(layout, open("images/index.json", "w"))
def index(*manifests):
    return blob({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}, OCI + "index.v1+json")
def on(tag, architecture):
    return {**find(tag), "platform": {"os": "linux", "architecture": architecture}}
def beside(architecture, system, data, media, **more): # a manifest that is no image, and its one layer
    layer = blob(data, media, **more)
    config = {"architecture": architecture, "os": system, "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
    return blob({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
        "config": blob(config, OCI + "config.v1+json"), "layers": [layer]}, OCI + "manifest.v1+json")
$1
PY
}

push() { # LAYOUT:TAG NAME
  skopeo --insecure-policy copy --quiet --all --preserve-digests --digestfile digest --dest-tls-verify=false \
    --dest-creds clade:secret "oci:$1" "docker://$registry/$2" || fail "could not push $2; what skopeo said stands above"
  echo "$2 $(cat digest)"
}

bases() { # VERSION
  image os amd64
  layer os "os-$1"
  layer os "certificates-$1" "locale-$1"
  for architecture in amd64 arm64; do
    image "multi-$architecture" "$architecture"
    layer "multi-$architecture" "runtime-$architecture-$1"
  done
  write 'tag("multi", index(on("multi-amd64", "amd64"), on("multi-arm64", "arm64")))'
  push images:os base/os:latest
  push images:multi base/multi:latest
}

if [ "${2:-}" = move ]; then bases 2; exit; fi
bases 1

image app amd64 os
layer app app-dependencies
layer app app
push images:app team/app:1
skopeo --insecure-policy copy --quiet --dest-compress-format zstd oci:images:app oci:zstd:app
push zstd:app team/app:zstd

for architecture in amd64 arm64; do
  image "child-$architecture" "$architecture" "multi-$architecture"
  layer "child-$architecture" "child-$architecture"
done
write 'tag("child", index(on("child-amd64", "amd64"), on("child-arm64", "arm64")))'
push images:child team/multi:1

write '
app = find("app")
statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
    "subject": [{"name": "pkg:docker/team/attested@1", "digest": {"sha256": app["digest"][7:]}}], "predicate": {}}
attestation = beside("unknown", "unknown", statement, "application/vnd.in-toto+json",
    annotations={"in-toto.io/predicate-type": statement["predicateType"]})
attestation["annotations"] = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": app["digest"]}
attestation["platform"] = {"os": "unknown", "architecture": "unknown"}
tag("attested", index(on("app", "amd64"), attestation))
signed = {"critical": {"identity": {"docker-reference": "team/app"}, "type": "cosign container image signature",
    "image": {"docker-manifest-digest": app["digest"]}}, "optional": None}
tag("signature", beside("", "", signed, "application/vnd.dev.cosign.simplesigning.v1+json",
    annotations={"dev.cosignproject.cosign/signature": "bm90IHNpZ25lZA=="}))
open("signed", "w").write(app["digest"].replace(":", "-"))'
push images:attested team/attested:1
push images:signature "team/app:$(cat signed).sig"

image squashed amd64
layer squashed os-1 certificates-1 locale-1 app-dependencies app
umoci config --image images:squashed --no-history --created "$made" \
  --manifest.annotation "org.opencontainers.image.base.name=$registry/base/os:latest" \
  --manifest.annotation "org.opencontainers.image.base.digest=$(
    skopeo inspect --format '{{.Digest}}' oci:images:os)"
push images:squashed team/squashed:1
