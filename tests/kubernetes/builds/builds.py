"""What builds do: New, Pending, Running, and in the end Complete with an image pushed, or Failed; and what starts them
when a tag moves. All state is in the objects, but for how long a build has been in its phase: after a restart of the
server that counts anew.

Unlike in OpenShift, an image change trigger that has no `lastTriggeredImageID` yet only takes note of the image, or a
test would have builds that it did not ask for. A build takes the image that its tag points at when it begins to run, and not
when it was asked for. BuildConfigs have to name what they build on; it is not looked for in a Dockerfile.

Annotations of the BuildConfig, looked at all the time, choose what its builds do:

  test.clade.dev/seconds: "2.5"        how long a build takes, 0.3 without it
  test.clade.dev/outcome: fail         they fail
                          fail-once    the first one fails, as long as it is there
                          stale-once   the first one builds on what its tag's image is on already, as with an image that a
                                       node has kept
                          never        they run on and on
"""
import copy, sys, threading, time

from api import BUILDS, IMAGES, UNREACHABLE, Refused, Seen, now, path_of
from images import image_at, push, resolve, strategy_from
from instantiate import CONFIG, image_changes, last_image, paused

ENDED = ("Complete", "Failed", "Error", "Cancelled")
MESSAGES = {"GenericBuildFailed": "Generic Build failure - check logs for details.",
            "FetchImageContentFailed": "Failed to extract image content.",
            "InvalidOutputReference": "Output image could not be resolved."}


class Builds:
    def __init__(self, api, instantiator, journal):
        self.api, self.instantiator, self.journal = api, instantiator, journal
        self.changed, self.since = threading.Event(), {}
        self.builds, self.configs = (Seen(api, f"{BUILDS}/{kind}", self.changed) for kind in ("builds", "buildconfigs"))
        self.streams = Seen(api, f"{IMAGES}/imagestreams", self.changed)

    def run(self):
        while True:
            self.changed.wait(0.05)
            self.changed.clear()
            for config in self.configs.all():
                self.attempt(self.configs, config, self.follow_tags)
            for build in sorted(self.builds.all(), key=number):
                self.attempt(self.builds, build, self.advance)

    def attempt(self, kind, object, step):
        try:
            step(object)
        except Refused as refused:
            if refused.code == 404 and not self.api.get(path_of(object)):
                kind.forget(object)
            elif refused.reason != "Conflict":  # the watch brings what it is in conflict with
                print(f"{object['metadata']['name']}: {refused}", file=sys.stderr, flush=True)
        except UNREACHABLE as error:
            print(f"{object['metadata']['name']}: {error!r}", file=sys.stderr, flush=True)
            time.sleep(0.2)
        except Exception as error:  # an object of an odd form stops no other
            print(f"{object['metadata']['name']}: {error!r}", file=sys.stderr, flush=True)

    def follow_tags(self, config):
        namespace, name = config["metadata"]["namespace"], config["metadata"]["name"]
        for change, of in image_changes(config):
            before, image = last_image(config, change), resolve(of, namespace, self.streams.get)
            if image and not before:
                self.configs.note(self.instantiator.remember_image(namespace, name))
            elif image and before != image and not change.get("paused") and not paused(config):
                self.instantiator.follow_image(namespace, name)
                return  # it has looked at all triggers

    def advance(self, build):
        uid, phase = build["metadata"]["uid"], build.get("status", {}).get("phase", "New")
        if phase in ENDED:
            self.since.pop(uid, None)
            return
        seconds, outcome = self.wanted(build)
        entered, since = self.since.get(uid, (None, 0))
        if entered != phase:
            since = time.monotonic()
            self.since[uid] = phase, since
        age = time.monotonic() - since
        if phase == "New" and not self.queues(build):
            self.write(build, phase="Pending")
        elif phase == "Pending" and age >= seconds * 0.1:
            self.begin(build)
        elif phase == "Running" and age >= seconds * 0.9 and outcome != "never":
            self.finish(build, outcome)

    def wanted(self, build):
        config = self.configs.get(build["metadata"]["namespace"], config_of(build))
        annotations = (config or {}).get("metadata", {}).get("annotations", {})
        return float(annotations.get("test.clade.dev/seconds", 0.3)), annotations.get("test.clade.dev/outcome")

    def siblings(self, build):
        """Number and phase of the other Builds of its BuildConfig."""
        return [(number(other), other.get("status", {}).get("phase")) for other in self.builds.all()
                if other is not build and other["metadata"]["namespace"] == build["metadata"]["namespace"]
                and config_of(other) == config_of(build)]

    def queues(self, build):
        """As OpenShift's run policy Serial, which is the default: one build of a BuildConfig after the other."""
        config = self.configs.get(build["metadata"]["namespace"], config_of(build)) or {}
        return config.get("spec", {}).get("runPolicy", "Serial") != "Parallel" and any(
            phase not in ENDED and before < number(build) for before, phase in self.siblings(build))

    def begin(self, build):
        namespace, spec = build["metadata"]["namespace"], copy.deepcopy(build["spec"])
        base, to = strategy_from(spec), spec.get("output", {}).get("to")
        image = resolve(base, namespace, self.stream)
        if not image_at(self.api, image):
            self.end(build, "Failed", reason="FetchImageContentFailed")
        elif to and (to.get("kind") != "ImageStreamTag" or ":" not in to.get("name", "")):
            self.end(build, "Failed", reason="InvalidOutputReference")
        else:
            # So that it builds on this one also if the tag moves while it runs.
            base.pop("namespace", None)
            base.update(kind="DockerImage", name=image)
            began = self.write(build, spec, phase="Running", startTimestamp=now())
            self.journal.write("began", began)

    def stream(self, namespace, name):
        return self.api.get(f"{IMAGES}/namespaces/{namespace}/imagestreams/{name}")

    def finish(self, build, outcome):
        phases = [phase for _, phase in self.siblings(build)]
        if outcome == "fail" or outcome == "fail-once" and "Failed" not in phases:
            return self.end(build, "Failed", reason="GenericBuildFailed")
        base, to = image_at(self.api, strategy_from(build["spec"])["name"]), build["spec"].get("output", {}).get("to")
        if not base:
            return self.end(build, "Failed", reason="FetchImageContentFailed")
        if not to:
            return self.end(build, "Complete")
        namespace, (name, _, tag) = to.get("namespace") or build["metadata"]["namespace"], to["name"].partition(":")
        if outcome == "stale-once" and "Complete" not in phases:
            before = image_at(self.api, resolve(to, namespace, self.stream))
            base = before | {"dockerImageLayers": before["dockerImageLayers"][:-1]}
        image = push(self.api, build, base, namespace, name, tag)
        self.end(build, "Complete", output={"to": {"imageDigest": image}},
                 outputDockerImageReference=f"registry.example/{namespace}/{name}:{tag}")

    def end(self, build, phase, **status):
        if "reason" in status:
            status["message"] = MESSAGES[status["reason"]]
        ended = self.write(build, phase=phase, completionTimestamp=now(), **status)
        image = ended["status"].get("output", {}).get("to", {}).get("imageDigest")
        self.journal.write("ended", ended, phase=phase, image=image)

    def write(self, build, spec=None, **status):
        written = build | {"spec": spec or build["spec"], "status": build.get("status", {}) | status}
        written = self.api.put(written)
        self.builds.note(written)
        return written


def number(build):
    return int(build["metadata"].get("annotations", {}).get("openshift.io/build.number", 0))


def config_of(build):
    return build["metadata"].get("annotations", {}).get(CONFIG)
