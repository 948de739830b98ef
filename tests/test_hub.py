"""The hub of the tests: what huggingface_hub gets from it."""

import re
import socket
from pathlib import Path

import pytest
from hub import NO_NETWORK, Faults, HubServer, Request, hub_env, run_python

REPO = "someone/tiny-craft"
DOWNLOAD = """
from pathlib import Path
from huggingface_hub import snapshot_download
patterns = ["*.json", "*.bin"]
path = Path(snapshot_download("someone/tiny-craft", revision={revision!r}, allow_patterns=patterns))
print(path.name, *sorted(file.name for file in path.iterdir()), (path / "config.json").read_text())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with one file of each kind: small, large, not wanted."""
    path = tmp_path / "repository"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "pytorch_model.bin").write_bytes(bytes(range(256)) * 40)
    (path / "README.md").write_text("not asked for")
    return path


def test_snapshot_is_pinned_and_works_offline_from_the_cache(folder: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        first = server.add(REPO, folder)
        (folder / "config.json").write_text('{"second": true}')
        second = server.add(REPO, folder)
        env = hub_env(server, tmp_path)
        newest = run_python(DOWNLOAD.format(revision="main"), env).stdout
        pinned = run_python(DOWNLOAD.format(revision=first), env).stdout
        assert Request("GET", f"/api/models/{REPO}/revision/main") in server.requests
        assert not any(request.path.endswith("README.md") for request in server.requests)

    assert re.fullmatch(r"[0-9a-f]{40}", first)
    assert newest.split(maxsplit=3) == [second, "config.json", "pytorch_model.bin", '{"second": true}\n']
    assert pinned.split(maxsplit=3) == [first, "config.json", "pytorch_model.bin", "{}\n"]

    asked = len(server.requests)
    assert run_python(DOWNLOAD.format(revision="main"), env).stdout == newest
    offline = env | {"HF_HUB_OFFLINE": "1"}
    code = NO_NETWORK + DOWNLOAD.format(revision=first) + "assert not network_attempts"
    assert run_python(code, offline).stdout == pinned
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("repo_id", "revision", "error"),
    [
        ("someone/else", "main", "RepositoryNotFoundError"),
        (REPO, "v9", "RevisionNotFoundError"),
        (REPO, "main", "EntryNotFoundError"),
    ],
)
def test_what_is_missing_is_named(
    repo_id: str, revision: str, error: str, folder: Path, tmp_path: Path
) -> None:
    code = f"""
from huggingface_hub import errors, hf_hub_download
try:
    hf_hub_download({repo_id!r}, "vocab.txt", revision={revision!r})
except errors.{error}:
    print("named")
"""
    with HubServer() as server:
        server.add(REPO, folder)
        assert run_python(code, hub_env(server, tmp_path)).stdout == "named\n"


def test_faults_can_be_switched(folder: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        server.add(REPO, folder)
        env = hub_env(server, tmp_path)
        server.faults = Faults(status=500)
        failed = run_python(DOWNLOAD.format(revision="main"), env, check=False)
        assert failed.returncode != 0
        assert "500" in failed.stderr

        server.faults = Faults(truncate=100, only="/lfs/*")
        failed = run_python(DOWNLOAD.format(revision="main"), env, check=False)
        assert failed.returncode != 0

        server.faults = Faults()
        assert "pytorch_model.bin" in run_python(DOWNLOAD.format(revision="main"), env).stdout


def test_subprocess_without_network_notes_the_attempt() -> None:
    code = """
import urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:9/")
except OSError as error:
    print(error, network_attempts)
"""
    said = run_python(NO_NETWORK + code, {}).stdout
    assert "tried to reach" in said
    assert "('127.0.0.1', 9)" in said


def test_no_network_in_this_process(no_network: list[object]) -> None:
    with pytest.raises(OSError, match="without network"):
        socket.create_connection(("127.0.0.1", 9))
    assert no_network
