"""A stand-in for Hugging Face's hub and for a plain web server, on loopback.

It speaks as much of the hub's HTTP interface as its client uses: repositories, commits, uploads as
git LFS has them, and files by revision, with ranges. Written from the client's requests.
"""

import base64
import dataclasses
import hashlib
import http.server
import json
import pathlib
import re
import threading
import time
import urllib.parse
from typing import Any

SMALL = ("config.json", "card.json", "README.md")  # all others are uploaded as LFS objects
TOKEN = "hf_test"


@dataclasses.dataclass
class State:
    """What the server holds, has been asked for, and does wrong.

    Attributes:
        files: Content by path, of the plain web server.
        repositories: Name -> branch -> file -> content.
        objects: Uploaded LFS objects by sha256.
        log: (method, path, range, bytes sent) of each answer.
        breaks: Name of a file -> after how many bytes its connection is cut, once each.
        pause_s: Between chunks of 64 KiB that are sent or received.
        ranges: Whether ranges are understood.
    """

    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    repositories: dict[str, dict[str, dict[str, bytes]]] = dataclasses.field(default_factory=dict)
    objects: dict[str, bytes] = dataclasses.field(default_factory=dict)
    log: list[tuple[str, str, str | None, int]] = dataclasses.field(default_factory=list)
    breaks: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    pause_s: float = 0.0
    ranges: bool = True
    sending: int = 0  # answers with files that have begun and are not logged
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def sent(self, name: str) -> int:
        """Bytes of a file that have been sent."""
        # A client may have read the last byte before the answer is logged.
        deadline = time.monotonic() + 10.0
        while self.sending and time.monotonic() < deadline:
            time.sleep(0.002)
        return sum(n for method, path, _, n in self.log if method == "GET" and path.endswith(name))


class Server(http.server.ThreadingHTTPServer):
    """Serves a `State`; `with Server() as server:` runs it in a thread."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = State()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *args: Any) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *args: Any) -> None:
        """Clients that were killed are no news."""

    def put(self, path: str, folder: pathlib.Path) -> str:
        """Serves a preset's folder; returns its address."""
        for file in folder.iterdir():
            self.state.files[f"/{path}/{file.name}"] = file.read_bytes()
        card = hashlib.sha256((folder / "card.json").read_bytes()).hexdigest()
        return f"{self.url}/{path}#sha256={card}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    # ---- answers

    def answer(self, code: int, content: bytes = b"", **headers: str) -> None:
        self.server.state.log.append((self.command, self.path, None, len(content)))
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def json(self, content: Any, code: int = 200) -> None:
        self.answer(code, json.dumps(content).encode(), Content_Type="application/json")

    def file(self, content: bytes, **headers: str) -> None:
        """A file, or the rest of it from a range on."""
        state = self.server.state
        asked = self.headers.get("Range") if state.ranges else None
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if begin >= len(content) and asked:
            self.answer(416)
            return
        rest = content[begin:]
        sent = 0
        with state.lock:
            state.sending += 1
        try:
            self.send_response(206 if asked else 200)
            if asked:
                stated = f"bytes {begin}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", stated)
            for name, value in {"Content-Length": str(len(rest)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "HEAD":
                return
            cuts = state.breaks.get(self.path.rpartition("/")[2])
            cut = cuts.pop(0) if cuts else len(rest)
            for at in range(0, min(cut, len(rest)), 1 << 16):
                chunk = rest[at : min(at + (1 << 16), cut)]
                self.wfile.write(chunk)
                sent += len(chunk)
                time.sleep(state.pause_s)
            if cut < len(rest):
                self.close_connection = True
        finally:
            with state.lock:
                state.log.append((self.command, self.path, asked, sent))
                state.sending -= 1

    def body(self) -> bytes:
        received = b""
        left = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while length := int(self.rfile.readline(), 16):
                received += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
        while left:
            chunk = self.rfile.read(min(left, 1 << 16))
            if not chunk:
                raise ConnectionError
            received, left = received + chunk, left - len(chunk)
            time.sleep(self.server.state.pause_s)
        return received

    # ---- reading

    def do_GET(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        state = self.server.state
        if path in state.files:
            self.file(state.files[path])
        elif match := re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(*match.groups())
        elif match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/(.+))?", path):
            found = self.revision(match[1], match[2] or "main")
            if found is not None:
                siblings = [{"rfilename": name} for name in found]
                self.json({"id": match[1], "sha": commit_of(found), "siblings": siblings})
        else:
            self.answer(404)

    do_HEAD = do_GET

    def revision(self, repository: str, name: str) -> dict[str, bytes] | None:
        branches = self.server.state.repositories.get(repository)
        if branches is None:
            self.answer(404, X_Error_Code="RepoNotFound")
            return None
        commits = {commit_of(files): files for files in branches.values()}
        found = branches.get(name) or commits.get(name)
        if found is None:
            self.answer(404, X_Error_Code="RevisionNotFound")
        return found

    def resolve(self, repository: str, revision: str, file: str) -> None:
        found = self.revision(repository, revision)
        if found is None:
            return
        if file not in found:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit_of(found))
            return
        etag = f'"{hashlib.sha256(found[file]).hexdigest()}"'
        self.file(found[file], ETag=etag, X_Repo_Commit=commit_of(found))

    # ---- writing

    def do_PUT(self) -> None:
        content = self.body()
        self.server.state.objects[self.path.rpartition("/")[2]] = content
        self.answer(200)

    def do_POST(self) -> None:
        content = self.body()
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        repositories = self.server.state.repositories
        if path != "/api/validate-yaml" and self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.answer(401, X_Error_Code="RepoNotFound")
        elif path == "/api/validate-yaml":
            self.json({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            given = json.loads(content)
            name = f"{given['organization']}/{given['name']}"
            known = name in repositories
            repositories.setdefault(name, {"main": {".gitattributes": b""}})
            self.json({"url": f"{self.server.url}/{name}"}, 409 if known else 200)
        elif match := re.fullmatch(r"/api/models/(\S+?/\S+?)/branch/(.+)", path):
            branches = repositories[match[1]]
            known = match[2] in branches
            branches.setdefault(match[2], dict(branches["main"]))
            self.answer(409 if known else 200)
        elif re.fullmatch(r"/api/models/(\S+?/\S+?)/preupload/(.+)", path):
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "regular" if file["path"] in SMALL else "lfs",
                    "shouldIgnore": False,
                }
                for file in json.loads(content)["files"]
            ]
            self.json({"files": modes})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.json({"transfer": "basic", "objects": list(map(self.upload, lfs_of(content)))})
        elif match := re.fullmatch(r"/api/models/(\S+?/\S+?)/commit/(.+)", path):
            files = dict(repositories[match[1]][match[2]])
            for line in content.splitlines():
                self.apply(files, **json.loads(line))
            repositories[match[1]][match[2]] = files
            commit = commit_of(files)
            url = f"{self.server.url}/{match[1]}/commit/{commit}"
            self.json({"commitUrl": url, "commitOid": commit, "success": True})
        else:
            self.answer(404)

    def upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        answer = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in self.server.state.objects:
            answer["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"}}
        return answer

    def apply(self, files: dict[str, bytes], key: str, value: dict[str, Any]) -> None:
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            content = self.server.state.objects[value["oid"]]
            assert hashlib.sha256(content).hexdigest() == value["oid"]
            files[value["path"]] = content
        elif key == "deletedFile":
            del files[value["path"]]


def lfs_of(content: bytes) -> list[dict[str, Any]]:
    return json.loads(content)["objects"]


def commit_of(files: dict[str, bytes]) -> str:
    """40 hex digits that depend on the files."""
    digest = hashlib.sha1()
    for name in sorted(files):
        digest.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return digest.hexdigest()
