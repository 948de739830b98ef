"""The hub of the tests: what huggingface_hub gets from it."""

import re
import socket
from pathlib import Path

import pytest
from hub import Faults, HubServer, Request, hub_env
from processes import run_program

REPO = "someone/tiny-craft"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with one small file, one large file, and one that nobody asks for."""
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
        newest = run_program("download.py", REPO, "main", env=env).stdout
        pinned = run_program("download.py", REPO, first, env=env).stdout
        assert Request("GET", f"/api/models/{REPO}/revision/main") in server.requests
        assert not any(request.path.endswith("README.md") for request in server.requests)

    assert re.fullmatch(r"[0-9a-f]{40}", first)
    assert newest.split(maxsplit=3) == [second, "config.json", "pytorch_model.bin", '{"second": true}\n']
    assert pinned.split(maxsplit=3) == [first, "config.json", "pytorch_model.bin", "{}\n"]

    n_requests = len(server.requests)
    assert run_program("download.py", REPO, "main", env=env).stdout == newest
    # The program fails if it tries to reach anything.
    offline = env | {"HF_HUB_OFFLINE": "1"}
    assert run_program("download.py", REPO, first, "--no-network", env=offline).stdout == pinned
    assert len(server.requests) == n_requests


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
    with HubServer() as server:
        server.add(REPO, folder)
        env = hub_env(server, tmp_path)
        named = run_program("download.py", repo_id, revision, "--file", "vocab.txt", env=env).stdout
    assert error in named.split()


def test_faults_can_be_switched(folder: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        server.add(REPO, folder)
        env = hub_env(server, tmp_path)
        server.faults = Faults(status=500)
        failed = run_program("download.py", REPO, "main", env=env, check=False)
        assert failed.returncode != 0
        assert "500" in failed.stderr

        server.faults = Faults(truncate=100, only="/lfs/*")
        failed = run_program("download.py", REPO, "main", env=env, check=False)
        assert failed.returncode != 0

        server.faults = Faults()
        assert "pytorch_model.bin" in run_program("download.py", REPO, "main", env=env).stdout


def test_program_without_network_notes_the_attempt() -> None:
    printed = run_program("no_network.py", env={}).stdout
    assert "tried to reach" in printed
    assert "('127.0.0.1', 9)" in printed


def test_no_network_in_this_process(no_network: list[object]) -> None:
    with pytest.raises(OSError, match="without network"):
        socket.create_connection(("127.0.0.1", 9))
    assert no_network
