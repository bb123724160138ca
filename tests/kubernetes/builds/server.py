"""A stand-in for OpenShift's build system on the API server of cluster.sh: server.py DIR PORT

It serves build.openshift.io/v1 behind the aggregation layer: POST buildconfigs/NAME/instantiate by itself
(instantiate.py), all else by passing it on, in the name of who asks, to version `stored` of the CRDs. And it runs the
builds (builds.py, which tells how a test chooses what they do).

DIR/builds.jsonl says what was asked for and what ran. DIR/builds.faults, read at each request to instantiate, makes it
a bad server: {"drop_responses": 0.3, "seed": 1, "delay_seconds": 0.5}. That share of the accepted requests, which ones
depends on the seed and on the name of the Build, is carried out and not answered; the API server makes a 503 of that.
"""
import http.server, json, pathlib, random, re, ssl, sys, threading, time, urllib.parse

from api import UNREACHABLE, Api, Refused
from builds import Builds
from instantiate import Instantiator, Journal

GROUP, VERSION = "build.openshift.io", {"groupVersion": "build.openshift.io/v1", "version": "v1"}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
ABOUT = {"name": GROUP, "versions": [VERSION], "preferredVersion": VERSION}
DISCOVERY = {
    "/healthz": {},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [ABOUT]},
    f"/apis/{GROUP}": {"kind": "APIGroup", "apiVersion": "v1"} | ABOUT,
    f"/apis/{GROUP}/v1": {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/v1", "resources": [
        {"name": "buildconfigs", "singularName": "buildconfig", "namespaced": True, "kind": "BuildConfig", "verbs": VERBS,
         "shortNames": ["bc"]},
        {"name": "buildconfigs/instantiate", "singularName": "", "namespaced": True, "group": GROUP, "version": "v1",
         "kind": "BuildRequest", "verbs": ["create"]},
        {"name": "builds", "singularName": "build", "namespaced": True, "kind": "Build", "verbs": VERBS}]}}
INSTANTIATE = re.compile(f"/apis/{re.escape(GROUP)}/v1/namespaces/([^/]+)/buildconfigs/([^/]+)/instantiate")
V1 = re.compile(rb"build\.openshift\.io/v1(?![0-9a-z])")
BACK = "Content-Type", "Warning", "Retry-After"


def to_v1(body):
    return body.replace(b"build.openshift.io/stored", b"build.openshift.io/v1")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    api = instantiator = folder = None

    def handle_request(self):
        body, path = self.body(), urllib.parse.urlsplit(self.path).path
        try:
            if self.command == "POST" and (asked := INSTANTIATE.fullmatch(path)):
                self.instantiate(*asked.groups(), body)
            elif path in DISCOVERY:
                self.answer(200, DISCOVERY[path])
            elif path.startswith(f"/apis/{GROUP}/v1/") and not INSTANTIATE.fullmatch(path):
                self.forward(body)
            else:
                raise Refused(404, "NotFound", "the server could not find the requested resource")
        except Refused as refused:
            self.answer(refused.code, refused.status)
        except UNREACHABLE as error:
            self.close_connection = True
            if not self.began:
                self.answer(503, Refused(503, "ServiceUnavailable", repr(error)).status)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request

    def body(self):
        self.began = False
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(self, code, content, headers=(("Content-Type", "application/json"),)):
        body = content if isinstance(content, bytes) else to_v1(json.dumps(content).encode())
        self.began = True
        self.send_response(code)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def instantiate(self, namespace, name, body):
        try:
            request = json.loads(body)
            asked = request["kind"], request["apiVersion"], request["metadata"]["name"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(400, "BadRequest", f"no BuildRequest: {error!r}") from None
        if asked != ("BuildRequest", f"{GROUP}/v1", name):
            raise Refused(400, "BadRequest", f"{asked} is no {GROUP}/v1 BuildRequest for {name}")
        build = self.instantiator.instantiate(namespace, name, request, self.headers.get("X-Remote-User", ""))
        try:
            faults = json.loads((self.folder / "builds.faults").read_text())
        except FileNotFoundError:
            faults = {}
        time.sleep(faults.get("delay_seconds", 0))
        draw = random.Random(f"{faults.get('seed')} {namespace}/{build['metadata']['name']}").random()
        if draw < faults.get("drop_responses", 0):
            self.close_connection = True
        else:
            self.answer(201, build)

    def forward(self, body):
        path = self.path.replace(f"/apis/{GROUP}/v1/", f"/apis/{GROUP}/stored/", 1)
        headers = [("Impersonate-User", self.headers.get("X-Remote-User", ""))]
        headers += [("Impersonate-Group", group) for group in self.headers.get_all("X-Remote-Group", [])]
        # The name of a field manager can come from the User-Agent.
        headers += [(name, self.headers[name]) for name in ("Content-Type", "User-Agent") if name in self.headers]
        # Names can only be replaced in text.
        accept = self.headers.get("Accept", "").split(",")
        accept = ",".join(kind for kind in accept if "protobuf" not in kind and "cbor" not in kind)
        headers.append(("Accept", accept or "application/json"))
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        watch = query.get("watch", ["0"])[0] in ("1", "true", "True")
        body = V1.sub(b"build.openshift.io/stored", body) if body else None
        with self.api.open(self.command, path, body, headers, timeout=None if watch else 60) as response:
            back = [(name, value) for name, value in response.getheaders() if name.title() in BACK]
            if not watch or response.status != 200:
                self.answer(response.status, to_v1(response.read()), back)
                return
            self.began = True
            self.send_response(200)
            for name, value in (*back, ("Transfer-Encoding", "chunked")):
                self.send_header(name, value)
            self.end_headers()
            for line in response:
                line = to_v1(line)
                self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

    def __init__(self, folder, port):
        super().__init__(("127.0.0.1", port), Handler)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "front-proxy.pem")
        tls.load_cert_chain(folder / "builds.pem", folder / "builds.key")
        tls.verify_mode = ssl.CERT_REQUIRED  # who else could say who asks?
        # The handshake is left to the connection's own thread.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # else it went away
            super().handle_error(request, client_address)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    Handler.folder, Handler.api, journal = folder, Api(folder), Journal(folder / "builds.jsonl")
    Handler.instantiator = Instantiator(Handler.api, journal)
    threading.Thread(target=Builds(Handler.api, Handler.instantiator, journal).run, daemon=True).start()
    Server(folder, int(sys.argv[2])).serve_forever()
