"""Where models come from: the hub, its cache and folders; and the errors of names that cannot be used."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from socket import gaierror
from typing import Literal

import pytest
from hub import Faults, HubServer, hub_env
from processes import run_program
from tiny_models import HUB_TAGS, make_tiny_model
from tiny_pipelines import first_logit
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import MaxRetryError, NameResolutionError

from craftner_spacy.folders import load_folder
from craftner_spacy.sources import find_folder

REPO = "someone/tiny-craft"
LABELS = "Cell Chemical Gene Protein Sequence Taxon"


def load_models(env: dict[str, str], *arguments: str, timeout: float = 120) -> list[str]:
    """The lines that the program prints: one for each model."""
    return run_program("load_models.py", *arguments, env=env, timeout=timeout).stdout.splitlines()


# The hub


@pytest.mark.parametrize(
    ("weights", "file", "other"),
    [
        ("bin", "pytorch_model.bin", "model.safetensors"),
        ("safetensors", "model.safetensors", "pytorch_model.bin"),
    ],
)
def test_hub_model_loads_and_works_offline_from_the_cache(
    weights: Literal["bin", "safetensors"], file: str, other: str, tmp_path: Path
) -> None:
    folder = make_tiny_model(tmp_path / "model", weights=weights, decoy=True)
    expected = [f"{LABELS} {first_logit(folder)}"]
    with HubServer() as server:
        server.add(REPO, folder)
        env = hub_env(server, tmp_path)
        assert load_models(env, REPO) == expected
        paths = [request.path for request in server.requests]
        assert any(path.endswith(f"/{file}") for path in paths)
        assert not any(path.endswith((other, "training_args.bin")) for path in paths)
        assert not any("dmis-lab" in path for path in paths)
    # The hub does not answer any more.
    assert load_models(env, REPO) == expected
    n_attempts = "0"
    assert load_models(env | {"HF_HUB_OFFLINE": "1"}, REPO, "--no-network") == [*expected, n_attempts]


def test_safetensors_are_preferred_and_the_pickle_is_not_fetched(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    with HubServer() as server:
        server.add(REPO, folder)
        [line] = load_models(hub_env(server, tmp_path), REPO)
        assert line.endswith(f" {first_logit(folder)}")
        assert not any(request.path.endswith(".bin") for request in server.requests)


def test_code_and_adapters_that_a_model_names_are_not_fetched(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    (folder / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "someone/evil"}', encoding="utf8"
    )
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    hostile = tmp_path / "hostile"
    shutil.copytree(folder, hostile)
    config["_attn_implementation"] = "someone/evil:fn"
    (hostile / "config.json").write_text(json.dumps(config), encoding="utf8")
    with HubServer() as server:
        server.add(REPO, folder)
        server.add("someone/hostile", hostile)
        server.add("someone/evil", hostile)
        loaded, refused = load_models(hub_env(server, tmp_path), REPO, "someone/hostile", "--kernels")
        paths = [request.path for request in server.requests]
    assert loaded == f"{LABELS} {first_logit(make_tiny_model(tmp_path / 'same'))}"
    assert refused.startswith("ValueError: ")
    assert "config.json': _attn_implementation = 'someone/evil:fn': allowed are eager, sdpa" in refused
    assert not any("evil" in path or path.endswith("adapter_config.json") for path in paths)


def test_revision_is_pinned(tmp_path: Path) -> None:
    old = make_tiny_model(tmp_path / "old", seed=1)
    new = make_tiny_model(tmp_path / "new", seed=2)
    assert first_logit(old) != first_logit(new)
    with HubServer() as server:
        commit = server.add(REPO, old)
        server.add(REPO, new)
        env = hub_env(server, tmp_path)
        [pinned] = load_models(env, f"{REPO}@{commit}")
        [newest] = load_models(env, f"{REPO}@main")
    assert pinned.split()[-1] == str(first_logit(old))
    assert newest.split()[-1] == str(first_logit(new))


@pytest.mark.parametrize(
    ("name", "revision"), [("someone/else", "main"), (REPO, "v9")], ids=["no model", "no revision"]
)
def test_what_the_hub_lacks_is_named(name: str, revision: str, tiny_model: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        server.add(REPO, tiny_model)
        [line] = load_models(hub_env(server, tmp_path), f"{name}@{revision}")
    start = f"ConnectionError: [model] name = {name!r}, revision = {revision!r}: the hub could not give"
    assert line.startswith(start)
    assert "nlp.to_disk()" in line
    assert "name = 'small'" in line


def test_unreachable_hub_is_named(tmp_path: Path) -> None:
    with HubServer() as server:
        env = hub_env(server, tmp_path)
    [line] = load_models(env, "biobert")
    repository = "StivenLancheros/biobert-base-cased-v1.2-finetuned-ner-CRAFT"
    assert line.startswith(f"ConnectionError: [model] name = '{repository}")
    assert "Check name, revision and network" in line
    assert "nlp.to_disk()" in line
    assert "name = 'small'" in line


def test_hub_that_fails_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        server.add(REPO, tiny_model)
        server.faults = Faults(status=403)
        [line] = load_models(hub_env(server, tmp_path), REPO)
    start = f"ConnectionError: [model] name = {REPO!r}, revision = 'main': the hub could not give"
    assert line.startswith(start)
    assert "403" in line


def test_every_fault_of_a_hub_is_named_and_a_slow_one_is_waited_for(tmp_path: Path) -> None:
    torn = make_tiny_model(tmp_path / "torn", seed=5)
    digest = hashlib.sha256((torn / "model.safetensors").read_bytes()).hexdigest()
    causes = {
        "a/unauthorized": "401",
        "a/missing": "404",
        "a/failing": "500",
        "a/busy": "503",
        "a/torn": "ChunkedEncodingError",
        "a/silent": "Timeout|timed out",
    }
    with HubServer() as server:
        server.add("a/torn", torn)
        for name in ("a/unauthorized", "a/failing", "a/busy", "a/silent", "a/slow"):
            server.add(name, make_tiny_model(tmp_path / "model"))
        server.faults = (
            Faults(status=401, only="*/a/unauthorized/*"),
            Faults(status=500, only="*/a/failing/*"),
            Faults(status=503, only="*/a/busy/*"),
            Faults(truncate=1000, only=f"/lfs/{digest}"),
            Faults(delay=8.0, only="*/a/silent/*"),
            Faults(delay=0.2, only="*/a/slow/*"),
        )
        env = hub_env(server, tmp_path) | {"HF_HUB_DOWNLOAD_TIMEOUT": "2", "HF_HUB_ETAG_TIMEOUT": "2"}
        *failed, slow = load_models(env, *causes, "a/slow", timeout=300)
    for line, (name, cause) in zip(failed, causes.items(), strict=True):
        start = f"ConnectionError: [model] name = {name!r}, revision = 'main': the hub could not give"
        assert line.startswith(start)
        assert re.search(cause, line), line
        assert "name = 'small'" in line
    assert slow.startswith(f"{LABELS} ")


def test_the_cached_files_of_a_commit_stay_whatever_the_hub_gives_later(tmp_path: Path) -> None:
    old, new = make_tiny_model(tmp_path / "old", seed=1), make_tiny_model(tmp_path / "new", seed=2)
    with HubServer() as server:
        commit = server.add(REPO, old)
        env = hub_env(server, tmp_path)
        [first] = load_models(env, f"{REPO}@{commit}")
        assert first.split()[-1] == str(first_logit(old))
        server.replace(REPO, commit, new)
        n_requests = len(server.requests)
        assert load_models(env, f"{REPO}@{commit}", f"{REPO}@main") == [first, first]
        assert [request.path for request in server.requests[n_requests:]] == [
            f"/api/models/{REPO}/revision/{revision}" for revision in (commit, "main")
        ]


def test_settings_and_weights_of_two_models_are_never_mixed(tmp_path: Path) -> None:
    old = make_tiny_model(tmp_path / "old", seed=1)
    # Shapes and names fit: only the order of the labels shows that these weights have another config.
    new = make_tiny_model(tmp_path / "new", seed=2, labels=HUB_TAGS[::-1])
    digest = hashlib.sha256((old / "model.safetensors").read_bytes()).hexdigest()
    with HubServer() as server:
        commit = server.add(REPO, old)
        env = hub_env(server, tmp_path)
        server.faults = Faults(truncate=1000, only=f"/lfs/{digest}")
        [broken_off] = load_models(env, f"{REPO}@{commit}")
        assert broken_off.startswith("ConnectionError: ")
        assert "ChunkedEncodingError" in broken_off
        server.faults = Faults()
        server.replace(REPO, commit, new)
        refused, again = load_models(env, *[f"{REPO}@{commit}"] * 2)
        assert refused.startswith("ConnectionError: ")
        assert (
            f"config.json: changed on the hub under commit {commit} while being fetched; try again" in refused
        )
        assert again.split()[-1] == str(first_logit(new))


def test_a_branch_that_moves_during_a_download_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = iter("ab")
    revisions: list[str] = []

    def download(hub_id: str, *, revision: str, **_: object) -> str:
        revisions.append(revision)
        folder = tmp_path / (next(commits) if revision == "main" else revision)
        folder.mkdir(exist_ok=True)
        (folder / "config.json").touch()
        if len(revisions) == 2:
            (folder / "pytorch_model.bin").touch()
        return str(folder)

    monkeypatch.setattr("craftner_spacy.sources.snapshot_download", download)
    assert find_folder(REPO, "main") == tmp_path / "a"
    assert revisions == ["main", "a"]


def test_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("craftner_spacy.sources.snapshot_download", no_space)
    with pytest.raises(ConnectionError, match=r"someone/tiny-craft.*No space left on device"):
        find_folder(REPO, "main")


def test_of_a_failed_request_the_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_host(*args: object, **kwargs: object) -> None:
        # As requests and the hub's client wrap it.
        reason = NameResolutionError("the-hub", HTTPSConnection("the-hub"), gaierror("unknown"))
        raise ConnectionError(
            MaxRetryError(HTTPSConnectionPool("the-hub"), "/api", reason), "(Request ID: 1)"
        )

    monkeypatch.setattr("craftner_spacy.sources.snapshot_download", no_host)
    with pytest.raises(
        ConnectionError, match=r"hold it \(NameResolutionError: .*resolve 'the-hub' \(unknown\)\)"
    ):
        find_folder(REPO, "main")


def test_after_a_full_disk_no_part_of_a_file_is_used(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    with HubServer() as server:
        server.add(REPO, folder)
        full, loaded = load_models(hub_env(server, tmp_path), REPO, REPO, "--file-bytes", "50000")
    assert full.startswith("ConnectionError: ")
    assert "OSError: [Errno 27] File too large" in full
    assert loaded.endswith(f" {first_logit(folder)}")


def test_blocked_sockets_are_named_where_a_download_is_needed(tmp_path: Path) -> None:
    with HubServer() as server:
        line, n_attempts = load_models(hub_env(server, tmp_path), REPO, "--no-network")
        assert server.requests == []
    start = f"ConnectionError: [model] name = {REPO!r}, revision = 'main': the hub could not give this model"
    assert line.startswith(start)
    assert "name = 'small', which needs no network" in line
    assert int(n_attempts) > 0


def test_hub_repository_without_weights_is_named(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    with HubServer() as server:
        server.add(REPO, folder)
        [line] = load_models(hub_env(server, tmp_path), REPO)
    assert line.startswith("FileNotFoundError: ")
    assert "holds no model: no model.safetensors or pytorch_model.bin" in line


# Folders and names


def test_folder_is_found_without_network(tiny_model: Path, no_network: list[object]) -> None:
    assert find_folder(str(tiny_model), "main") == tiny_model
    assert load_folder(tiny_model).transformer.config.id2label == dict(enumerate(HUB_TAGS))
    assert no_network == []


@pytest.mark.parametrize("kept", [(), ("config.json",), ("model.safetensors",)])
def test_folder_without_model_is_named(kept: tuple[str, ...], tiny_model: Path, tmp_path: Path) -> None:
    for name in kept:
        shutil.copy(tiny_model / name, tmp_path)
    missing = {
        (): r"no config\.json and no model\.safetensors or pytorch_model\.bin$",
        ("config.json",): r"holds no model: no model\.safetensors or pytorch_model\.bin$",
        ("model.safetensors",): r"holds no model: no config\.json$",
    }[kept]
    with pytest.raises(FileNotFoundError, match=missing):
        find_folder(str(tmp_path), "main")


@pytest.mark.parametrize("name", ["/no/such/folder", "./no-such-folder", "../no-such", "~/no-such-folder-x"])
def test_missing_path_is_named(name: str, no_network: list[object]) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*allowed are 'small', 'biobert'"):
        find_folder(name, "main")
    assert no_network == []


@pytest.mark.parametrize("name", ["a/b/c", "big model", "owner/", "a..b", "a--b", "https://x.org/a", "größe"])
def test_impossible_name_is_named(name: str, no_network: list[object]) -> None:
    with pytest.raises(ValueError, match="is neither a folder nor the id of a model; allowed are 'small'"):
        find_folder(name, "main")
    assert no_network == []


@pytest.mark.parametrize(
    "revision", ["", "../main", "refs/../../main", "/etc/passwd", "a b", "main?x=1", "main\n", "größe"]
)
def test_impossible_revision_is_named(revision: str, no_network: list[object]) -> None:
    with pytest.raises(ValueError, match=r"revision = .*: allowed are the name of a branch or tag"):
        find_folder("someone/else", revision)
    assert no_network == []


def test_relative_names_are_found_from_the_working_folder(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[object]
) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "deep").mkdir()
    shutil.copytree(tiny_model, tmp_path / "model")
    monkeypatch.chdir(tmp_path / "deep")
    assert find_folder("../model", "main").samefile(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    assert find_folder("deep/../model", "main").samefile(tmp_path / "model")
    # 'small' is the package's own model, not the empty folder of that name.
    assert (find_folder("small", "main") / "MODEL_CARD.md").is_file()
    assert no_network == []


def test_network_is_not_asked_when_offline(no_network: list[object]) -> None:
    with pytest.raises(ConnectionError, match=r"\[model\] name = 'someone/else'"):
        find_folder("someone/else", "main")
    assert no_network == []
