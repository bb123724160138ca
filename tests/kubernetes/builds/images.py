"""The images that builds take and make: what a reference of a BuildConfig points at, and the push of what was built."""
import hashlib

from api import IMAGES, Refused, now

LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def strategy_from(spec):
    """The reference that a strategy builds on, or None."""
    strategies = (spec.get("strategy", {}).get(kind) for kind in ("sourceStrategy", "dockerStrategy", "customStrategy"))
    return next((strategy.get("from") for strategy in strategies if strategy is not None), None)


def resolve(reference, namespace, stream_of):
    """The pull specification, with a digest, that a reference means now, or None. `stream_of(namespace, name)` looks."""
    kind, name = (reference or {}).get("kind"), (reference or {}).get("name", "")
    if kind == "DockerImage":
        return name
    stream, _, rest = name.partition("@" if kind == "ImageStreamImage" else ":")
    object = stream_of(reference.get("namespace") or namespace, stream) if stream else None
    for tag in (object or {}).get("status", {}).get("tags") or []:
        for item in tag.get("items") or []:
            if rest == (item["image"] if kind == "ImageStreamImage" else tag["tag"]):
                spec = item.get("dockerImageReference") or stream
                return spec if "@" in spec else f"{spec}@{item['image']}"
            if kind == "ImageStreamTag":
                break  # the others are the tag's past
    return None


def image_at(api, pull_specification):
    """The Image object of a pull specification, or None; of an index, that of its amd64 or else its first platform."""
    image = api.get(f"{IMAGES}/images/{(pull_specification or '').partition('@')[2] or 'none'}")
    if image and not image.get("dockerImageLayers") and image.get("dockerImageManifests"):
        manifests = sorted(image["dockerImageManifests"], key=lambda manifest: manifest.get("architecture") != "amd64")
        return api.get(f"{IMAGES}/images/{manifests[0]['digest']}")
    return image


def push(api, build, base, namespace, name, tag):
    """Makes the image of a build, as often as it is called the same one, and lets the tag point at it."""
    unique = "{namespace}/{name} {uid}".format_map(build["metadata"])
    image, config = digest(unique), digest(f"config of {unique}")
    reference = f"registry.example/{namespace}/{name}@{image}"
    create(api, f"{IMAGES}/images", {
        "apiVersion": "image.openshift.io/v1", "kind": "Image",
        "metadata": {"name": image, "annotations": {"image.openshift.io/dockerLayersOrder": "ascending",
                                                    "openshift.io/image.managed": "true"}},
        "dockerImageReference": reference,
        "dockerImageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "dockerImageMetadata": base.get("dockerImageMetadata", {}) | {"Id": config, "Created": now()},
        # Base first: no test has images of another order.
        "dockerImageLayers": [*(base.get("dockerImageLayers") or []),
                              {"name": digest(f"layer of {unique}"), "size": 100, "mediaType": LAYER}]})
    item = {"created": now(), "dockerImageReference": reference, "image": image}
    while not point(api, namespace, name, tag, item):
        pass
    return image


def create(api, path, object):
    """Whether it was not there."""
    try:
        return bool(api.call("POST", path, object))
    except Refused as refused:
        if refused.reason != "AlreadyExists":
            raise
        return False


def point(api, namespace, name, tag, item):
    """Lets a tag point at an image; False if somebody else has changed the stream meanwhile."""
    streams = f"{IMAGES}/namespaces/{namespace}/imagestreams"
    stream = api.get(f"{streams}/{name}")
    if not stream:
        return create(api, streams, {
            "apiVersion": "image.openshift.io/v1", "kind": "ImageStream",
            "metadata": {"namespace": namespace, "name": name},
            "status": {"tags": [{"tag": tag, "items": [item | {"generation": 1}]}]}})
    tags = stream.setdefault("status", {}).setdefault("tags", [])
    if not any(each["tag"] == tag for each in tags):
        tags.append({"tag": tag})
    items = next(each for each in tags if each["tag"] == tag).setdefault("items", [])
    if items and items[0]["image"] == item["image"]:
        return True  # pushed, and then the server was stopped
    items.insert(0, item | {"generation": (items[0].get("generation", 0) if items else 0) + 1})
    try:
        return bool(api.put(stream))
    except Refused as refused:
        if refused.reason != "Conflict":
            raise
        return False
