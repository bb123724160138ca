"""The real API server as its administrator sees it: single requests, and kinds of objects kept up by a watch.

Builds and BuildConfigs stand there as version `stored`, since version v1 is this server's own.
"""
import datetime, http.client, json, sys, threading, time, urllib.parse, ssl

BUILDS = "/apis/build.openshift.io/stored"
IMAGES = "/apis/image.openshift.io/v1"
UNREACHABLE = (OSError, http.client.HTTPException)


class Refused(Exception):
    """A refusal, with the Status object that says so to the client."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason = code, reason
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                       "reason": reason, "code": code}


class Api:
    def __init__(self, folder):
        url = urllib.parse.urlsplit((folder / "url").read_text().strip())
        self.at = url.hostname, url.port
        self.tls = ssl.create_default_context(cafile=folder / "ca.pem")
        self.token = (folder / "tokens.csv").read_text().split(",")[0]
        self.own = [("Content-Type", "application/json"), ("User-Agent", "clade-builds")]  # its name as a field manager
        self.kept = threading.local()

    def send(self, connection, method, path, body, headers):
        """The response, not read yet."""
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in [("Authorization", f"Bearer {self.token}"), *headers]:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse()

    def open(self, method, path, body=None, headers=(), timeout=60):
        """The same, on a connection of its own. `headers` are pairs, since some come several times."""
        connection = http.client.HTTPSConnection(*self.at, context=self.tls, timeout=timeout)
        return self.send(connection, method, path, body, [*headers, ("Connection", "close")])

    def call(self, method, path, content=None):
        body = None if content is None else json.dumps(content).encode()
        # Each thread keeps a connection, since most of the time goes into making one. The server may have closed it.
        kept = self.kept.__dict__.pop("connection", None)
        for connection in filter(None, (kept, http.client.HTTPSConnection(*self.at, context=self.tls, timeout=30))):
            try:
                response = self.send(connection, method, path, body, self.own)
                answer = response.read()
                self.kept.connection = connection
                break
            except UNREACHABLE as error:
                connection.close()
                if connection is not kept or isinstance(error, TimeoutError):  # it may come to be done yet
                    raise
        try:
            answer = json.loads(answer)
        except ValueError:  # a server that just starts or stops answers in plain text
            answer = {"message": answer.decode(errors="replace")}
        if response.status >= 300:
            raise Refused(response.status, answer.get("reason", ""), answer.get("message", ""))
        return answer

    def get(self, path):
        """The object, or None."""
        try:
            return self.call("GET", path)
        except Refused as refused:
            if refused.code != 404:
                raise
            return None

    def put(self, object):
        return self.call("PUT", path_of(object), object)


class Seen:
    """All objects of a kind, by namespace and name; `changed` is set whenever one changes."""

    def __init__(self, api, path, changed):
        self.api, self.path, self.changed = api, path, changed
        self.lock, self.objects = threading.Lock(), {}
        threading.Thread(target=self.follow, daemon=True).start()

    def all(self):
        with self.lock:
            return list(self.objects.values())

    def get(self, namespace, name):
        with self.lock:
            return self.objects.get((namespace, name))

    def note(self, object):
        """Takes what a write has returned, which the watch brings later. An older one than the watch's is left out."""
        with self.lock:
            there = self.objects.get(key(object))
            if not there or version(there) < version(object):
                self.objects[key(object)] = object

    def forget(self, object):
        with self.lock:
            self.objects.pop(key(object), None)

    def follow(self):
        while True:
            try:
                self.list_and_watch()
            except (*UNREACHABLE, Refused, ValueError) as error:  # it is away, or does not know the kind yet
                print(f"watch of {self.path}: {error!r}", file=sys.stderr, flush=True)
            time.sleep(0.2)

    def list_and_watch(self):
        listing = self.api.call("GET", self.path)
        with self.lock:
            self.objects = {key(object): object for object in listing["items"]}
        self.changed.set()
        since = f"{self.path}?watch=true&resourceVersion={listing['metadata']['resourceVersion']}"
        with self.api.open("GET", since, timeout=None) as response:
            for line in response:
                event = json.loads(line)
                if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                    return
                (self.forget if event["type"] == "DELETED" else self.note)(event["object"])
                self.changed.set()


def key(object):
    return object["metadata"].get("namespace"), object["metadata"]["name"]


def version(object):
    return int(object["metadata"]["resourceVersion"])


def path_of(object):
    of = {"Build": (BUILDS, "builds"), "BuildConfig": (BUILDS, "buildconfigs"), "ImageStream": (IMAGES, "imagestreams")}
    group, plural = of[object["kind"]]
    return f"{group}/namespaces/{object['metadata']['namespace']}/{plural}/{object['metadata']['name']}"


def now():
    """As Kubernetes writes times."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
