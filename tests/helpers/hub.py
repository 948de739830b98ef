"""A model hub on loopback, for tests of what is asked of the hub, when, and what its faults do.

`HubServer` speaks as much of the hub's protocol as huggingface_hub and transformers use to download a
model: the repository's information, its file tree, and files by revision, the large ones through a
redirect. huggingface_hub reads its endpoint once, when it is imported; so a test that talks to the server
runs a program in a process of its own, with `processes.run_program` and `hub_env`.
"""

import fnmatch
import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

LARGE_FILES = ("*.bin", "*.safetensors")
"""Files that the hub stores apart from the repository and serves through a redirect."""


class Request(NamedTuple):
    """One request as the server got it; `path` is decoded and has no query."""

    method: str
    path: str


@dataclass(frozen=True)
class Faults:
    """Faults of the server, until `server.faults` is set to another `Faults()`.

    status (int | None): the status of every answer, which has no content.
    truncate (int | None): files end after this many bytes, though their full length is in the headers.
    delay (float): seconds before every answer.
    only (str): the pattern of the paths concerned; ``*`` matches slashes too.
    """

    status: int | None = None
    truncate: int | None = None
    delay: float = 0.0
    only: str = "*"


@dataclass
class Repository:
    """Files by commit, and the commit of each branch."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch's name or of a commit's full hash."""
        return self.branches.get(revision, revision if revision in self.commits else None)


class HubServer:
    """Serve folders as repositories of a hub on a free port of 127.0.0.1.

    Use it as a context manager. Folders are read when they are added: later changes of the folder do not
    change the repository, and adding another folder under the same branch is a new commit.

    url (str): the value for HF_ENDPOINT; it refuses connections once the server is closed.
    requests (list[Request]): every request so far, in order.
    faults (Faults | tuple[Faults, ...]): current faults; of several, the first whose pattern matches.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: Faults | tuple[Faults, ...] = Faults()
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HubServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; closing twice is fine."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def add(self, repo_id: str, folder: Path, branch: str = "main") -> str:
        """Make the folder's files the newest commit of a branch.

        repo_id (str): ``organisation/name``.
        folder (Path): its files, those of subfolders too.
        branch (str): the branch; other branches and earlier commits stay as they are.
        RETURNS (str): the commit's hash, 40 hexadecimal digits that depend on the content alone.
        """
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        repository = self.repositories.setdefault(repo_id, Repository())
        repository.commits[commit] = files
        repository.branches[branch] = commit
        self.blobs.update((hashlib.sha256(content).hexdigest(), content) for content in files.values())
        return commit

    def replace(self, repo_id: str, commit: str, folder: Path) -> None:
        """Serve the folder's files under a commit that had others. A real hub never does."""
        branches = dict(self.repositories[repo_id].branches)
        other = self.add(repo_id, folder)
        repository = self.repositories[repo_id]
        repository.commits[commit], repository.branches = repository.commits.pop(other), branches


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: one connection for each answer, so that none outlives the server."""

    hub: HubServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: `HubServer.requests` is the log."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.requests.append(Request(self.command, f"/{path}"))
        current = self.hub.faults if isinstance(self.hub.faults, tuple) else (self.hub.faults,)
        faults = next((f for f in current if fnmatch.fnmatchcase(f"/{path}", f.only)), Faults())
        time.sleep(faults.delay)
        if faults.status is not None:
            return self._send(faults.status)
        truncate = faults.truncate

        parts = path.split("/")
        if parts[0] == "lfs" and parts[-1] in self.hub.blobs:
            return self._send_file(self.hub.blobs[parts[-1]], {}, truncate)
        is_api = parts[:2] == ["api", "models"]
        if is_api:
            parts = parts[2:]
        repository = self.hub.repositories.get("/".join(parts[:2]))
        if repository is None:
            return self._send_error("RepoNotFound")
        verb, *rest = parts[2:] or ["revision", "main"]
        if verb not in ({"revision", "tree"} if is_api else {"resolve"}) or not rest:
            return self._send(404)
        commit = repository.resolve(rest[0])
        if commit is None:
            return self._send_error("RevisionNotFound")
        if verb == "revision":
            return self._send_json(_info("/".join(parts[:2]), commit, repository.commits[commit]))
        name = "/".join(rest[1:])
        if verb == "tree":
            return self._send_tree(commit, repository.commits[commit], name)
        return self._send_resolved(commit, repository.commits[commit], name, truncate)

    def _send_tree(self, commit: str, files: dict[str, bytes], folder: str) -> None:
        entries = [
            {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for name, content in files.items()
            if not folder or name.startswith(f"{folder}/")
        ]
        if not entries:
            return self._send_error("EntryNotFound", commit)
        return self._send_json(entries)

    def _send_resolved(self, commit: str, files: dict[str, bytes], name: str, truncate: int | None) -> None:
        if name not in files:
            return self._send_error("EntryNotFound", commit)
        content = files[name]
        headers = {"X-Repo-Commit": commit}
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in LARGE_FILES):
            digest = hashlib.sha256(content).hexdigest()
            headers["X-Linked-Size"] = str(len(content))
            headers["X-Linked-ETag"] = f'"{digest}"'
            headers["Location"] = f"{self.hub.url}/lfs/{digest}"
            return self._send(302, headers=headers)
        headers["ETag"] = f'"{hashlib.sha1(content).hexdigest()}"'
        return self._send_file(content, headers, truncate)

    def _send_file(self, content: bytes, headers: dict[str, str], truncate: int | None) -> None:
        start = 0
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and wanted.endswith("-"):
            start = int(wanted[len("bytes=") : -1])
            headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self._send(206 if start else 200, content[start:], headers, truncate)

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send_error(self, code: str, commit: str | None = None) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code}
        if commit is not None:
            headers["X-Repo-Commit"] = commit
        self._send(404, headers=headers)

    def _send(
        self,
        status: int,
        content: bytes = b"",
        headers: dict[str, str] | None = None,
        truncate: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:truncate])


def _info(repo_id: str, commit: str, files: dict[str, bytes]) -> dict[str, object]:
    """A repository's information, as the hub's API gives it."""
    return {
        "_id": commit[:24],
        "id": repo_id,
        "modelId": repo_id,
        "author": repo_id.split("/")[0],
        "sha": commit,
        "lastModified": "2022-03-17T14:30:00.000Z",
        "createdAt": "2022-03-17T14:30:00.000Z",
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": ["transformers", "pytorch", "token-classification"],
        "pipeline_tag": "token-classification",
        "library_name": "transformers",
        "siblings": [{"rfilename": name} for name in files],
    }


def hub_env(server: HubServer, tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose hub is the server, with a cache of its own.

    Settings of the machine for another hub (tokens, caches, offline switches, proxies) are left out. Add
    ``HF_HUB_OFFLINE="1"`` for a process that has to stay offline.

    server (HubServer): the hub; it may be closed already.
    tmp_path (Path): the cache is made in its folder ``hf``, the same for each call.
    """
    prefixes = ("HF_", "HUGGING", "TRANSFORMERS_", "PYTHON")
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(prefixes) and not name.lower().endswith("_proxy")
    }
    return env | {
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
