"""What becomes of a BuildRequest, a client's or an image change trigger's: the next version and its Build."""
import datetime, json, threading

from api import BUILDS, IMAGES, Refused, now
from images import resolve, strategy_from

PAUSED = "openshift.io/build-config.paused"
CONFIG = "openshift.io/build-config.name"
BY = "test.clade.dev/by"
REFUSES = "test.clade.dev/refuses"


class Journal:
    """DIR/builds.jsonl: a JSON object a line, in the order in which things happened.

    `event` is `instantiated` (New), `began` (Running) or `ended`, this one with `phase` and, if there is one, `image`.
    Each has `time` (RFC 3339, UTC, microseconds: comparable as text), `namespace`, `build`, `buildConfig`, `lastVersion`,
    `labels` of the Build, and `by`: the user who asked for it, or `trigger`.
    """

    def __init__(self, path):
        self.lock, self.file = threading.Lock(), open(path, "a", encoding="utf-8")

    def write(self, event, build, **more):
        metadata, annotations = build["metadata"], build["metadata"].get("annotations", {})
        line = {"event": event, "namespace": metadata["namespace"], "build": metadata["name"],
                "buildConfig": annotations.get(CONFIG), "by": annotations.get(BY),
                "lastVersion": int(annotations.get("openshift.io/build.number", 0)), "labels": metadata.get("labels", {})}
        with self.lock:  # or the times would be in another order than the lines
            time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self.file.write(json.dumps({"time": time} | line | more) + "\n")
            self.file.flush()


class Instantiator:
    def __init__(self, api, journal):
        self.api, self.journal, self.lock = api, journal, threading.Lock()

    def instantiate(self, namespace, name, request, by):
        """The new Build. Raises Refused."""
        def change(config):
            if paused(config):
                raise Refused(400, "BadRequest", f"can't instantiate from BuildConfig {namespace}/{name}: "
                                                 "BuildConfig is paused")
            last, asked = config["status"].get("lastVersion", 0), request.get("lastVersion")
            if asked not in (None, last):
                raise Refused(400, "BadRequest", f"the LastVersion({last}) on build config {namespace}/{name} does not "
                                                 f"match the build request LastVersion({asked})")
            refuse(config)
            self.record(config)
            return True
        return self.next_build(namespace, name, request, by, change)

    def follow_image(self, namespace, name):
        """The new Build if a trigger's image is another one than it was, else None."""
        request = {"triggeredBy": [{"message": "Image change"}]}
        return self.next_build(namespace, name, request, "trigger",
                               lambda config: not paused(config) and self.record(config))

    def remember_image(self, namespace, name):
        """Records the images of triggers that have none yet, and builds nothing."""
        with self.lock:
            config = self.config(namespace, name)
            self.record(config, fresh_only=True)
            return self.api.put(config)

    def config(self, namespace, name):
        config = self.api.get(f"{BUILDS}/namespaces/{namespace}/buildconfigs/{name}")
        if not config:
            raise Refused(404, "NotFound", f'buildconfigs.build.openshift.io "{name}" not found')
        for part in ("spec", "status"):
            config.setdefault(part, {})
        return config

    def next_build(self, namespace, name, request, by, change):
        # OpenShift has no such lock, only the conflict: with it a test's requests are never tried in vain.
        with self.lock:
            for left in reversed(range(10)):
                config = self.config(namespace, name)
                if not change(config):
                    return None
                config["status"]["lastVersion"] = config["status"].get("lastVersion", 0) + 1
                try:
                    config = self.api.put(config)
                    break
                except Refused as refused:
                    if refused.reason != "Conflict" or not left:
                        raise
            # As in OpenShift, a version is lost if this fails. The other way round, two builds could have the same.
            build = self.api.call("POST", f"{BUILDS}/namespaces/{namespace}/builds", build_of(config, request, by))
        self.journal.write("instantiated", build)
        return build

    def record(self, config, fresh_only=False):
        """Notes in the triggers which images they have now; whether a trigger that is not paused had another one."""
        namespace, moved = config["metadata"]["namespace"], False
        stream_of = lambda namespace, name: self.api.get(f"{IMAGES}/namespaces/{namespace}/imagestreams/{name}")
        for change, of in image_changes(config):
            before, image = last_image(config, change), resolve(of, namespace, stream_of)
            if not image or fresh_only and before:
                continue
            moved = moved or bool(before) and before != image and not change.get("paused")
            change["lastTriggeredImageID"] = image
            of = {"namespace": of.get("namespace") or namespace, "name": of["name"]}
            others = [each for each in config["status"].get("imageChangeTriggers", []) if each["from"] != of]
            config["status"]["imageChangeTriggers"] = others + [
                {"from": of, "lastTriggeredImageID": image, "lastTriggerTime": now()}]
        return moved


def refuse(config):
    """What the real server answers to a BuildConfig that it cannot build, by the annotation of the tests."""
    name = config["metadata"]["name"]
    forbidden = f'buildconfigs.build.openshift.io "{name}" is forbidden'
    answers = {
        "no-service-account": (500, "InternalError", 'Internal error occurred: serviceaccounts "nobody" not found'),
        "strategy": (403, "Forbidden", f"{forbidden}: build strategy Docker is not allowed"),
        "unresolved": (422, "Invalid", f'Build.build.openshift.io "{name}-1" is invalid: '
                                       'spec.strategy.dockerStrategy.from: unable to find the image'),
    }
    if answer := answers.get(config["metadata"].get("annotations", {}).get(REFUSES)):
        raise Refused(*answer)


def paused(config):
    return config["metadata"].get("annotations", {}).get(PAUSED, "").lower() == "true"


def image_changes(config):
    """Pairs: the `imageChange` of each such trigger on a tag, and what it is about."""
    for trigger in config.get("spec", {}).get("triggers") or []:
        if trigger.get("type") == "ImageChange":
            change = trigger.setdefault("imageChange", {})
            of = change.get("from") or strategy_from(config["spec"])
            if (of or {}).get("kind") == "ImageStreamTag":
                yield change, of


def last_image(config, change):
    """Who applies a BuildConfig again wipes what stands in its spec; the status keeps it."""
    of = change.get("from") or strategy_from(config["spec"])
    key = {"namespace": of.get("namespace") or config["metadata"]["namespace"], "name": of["name"]}
    kept = config.get("status", {}).get("imageChangeTriggers", [])
    return change.get("lastTriggeredImageID") or next((k["lastTriggeredImageID"] for k in kept if k["from"] == key), None)


def build_of(config, request, by):
    metadata, number, asked = config["metadata"], config["status"]["lastVersion"], request.get("metadata", {})
    spec = {part: config["spec"][part] for part in ("source", "strategy", "output", "resources", "serviceAccount")
            if part in config["spec"]}
    label = metadata["name"][:63]
    return {
        "apiVersion": "build.openshift.io/stored", "kind": "Build",
        "metadata": {
            "namespace": metadata["namespace"], "name": f"{metadata['name']}-{number}",
            # What both have, the request does not change.
            "labels": asked.get("labels", {}) | metadata.get("labels", {}) | {
                CONFIG: label, "buildconfig": label,
                "openshift.io/build.start-policy": config["spec"].get("runPolicy", "Serial")},
            "annotations": asked.get("annotations", {}) | {
                CONFIG: metadata["name"], "openshift.io/build.number": str(number), BY: by},
            "ownerReferences": [{"apiVersion": "build.openshift.io/v1", "kind": "BuildConfig", "name": metadata["name"],
                                 "uid": metadata["uid"], "controller": True}]},
        "spec": spec | {"triggeredBy": request.get("triggeredBy", [])},
        "status": {"phase": "New",
                   "config": {"kind": "BuildConfig", "namespace": metadata["namespace"], "name": metadata["name"]}}}
