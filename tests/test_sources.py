"""Where models come from: hub, cache and folders; and the errors of those that cannot be used."""

import hashlib
import json
import pickle
import re
import shutil
from pathlib import Path
from typing import Literal

import pytest
import torch
from hub import NO_NETWORK, Faults, HubServer, hub_env, run_python
from safetensors.torch import load_file, save_file
from tiny_models import HUB_TAGS, make_tiny_model
from transformers.utils import logging as transformers_logging

from craftner_spacy.sources import find_folder, load_folder, read_tags

REPO = "someone/tiny-craft"
LOAD = """
import spacy
nlp = spacy.blank("en")
model = {{"name": {name!r}, "revision": {revision!r}, "precision": "fp32"}}
nlp.add_pipe("craft_ner", config={{"model": model}})
"""
PREDICT = (
    LOAD
    + """
pipe = nlp.get_pipe("craft_ner")
labels = pipe.scheme.labels
[words] = pipe.model.predict([nlp.make_doc("mouse")])
print(*labels, round(float(words.logits[0, 0]), 3))
"""
)
FAIL = (
    LOAD
    + """
try:
    nlp("mouse")
except {error} as err:
    print(err)
"""
)


def first_logit(folder: Path) -> float:
    """The first tag's score of the text "mouse", straight from the library."""
    hf_model = load_folder(folder)
    encoding = hf_model.tokenizer("mouse", return_tensors="pt")
    with torch.inference_mode():
        return round(float(hf_model.transformer.eval()(**encoding).logits[0, 1, 0]), 3)


# The hub


@pytest.mark.parametrize(
    ("kind", "file", "other"),
    [
        ("bin", "pytorch_model.bin", "model.safetensors"),
        ("safetensors", "model.safetensors", "pytorch_model.bin"),
    ],
)
def test_hub_model_loads_and_works_offline_from_the_cache(
    kind: Literal["bin", "safetensors"], file: str, other: str, tmp_path: Path
) -> None:
    folder = make_tiny_model(tmp_path / "model", weights=kind, decoy=True)
    expected = f"Cell Chemical Gene Protein Sequence Taxon {first_logit(folder)}\n"
    code = PREDICT.format(name=REPO, revision="main")
    with HubServer() as server:
        server.add(REPO, folder)
        env = hub_env(server, tmp_path)
        assert run_python(code, env).stdout == expected
        asked = [request.path for request in server.requests]
        assert any(path.endswith(f"/{file}") for path in asked)
        assert not any(path.endswith((other, "training_args.bin")) for path in asked)
        assert not any("dmis-lab" in path for path in asked)
    # The hub is gone now.
    assert run_python(code, env).stdout == expected
    offline = NO_NETWORK + code + "assert not network_attempts, network_attempts\n"
    assert run_python(offline, env | {"HF_HUB_OFFLINE": "1"}).stdout == expected


def test_safetensors_are_preferred_and_the_pickle_is_not_fetched(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    with HubServer() as server:
        server.add(REPO, folder)
        code = PREDICT.format(name=REPO, revision="main")
        assert run_python(code, hub_env(server, tmp_path)).stdout.endswith(f" {first_logit(folder)}\n")
        assert not any(request.path.endswith(".bin") for request in server.requests)


def test_revision_is_pinned(tmp_path: Path) -> None:
    old = make_tiny_model(tmp_path / "old", seed=1)
    new = make_tiny_model(tmp_path / "new", seed=2)
    assert first_logit(old) != first_logit(new)
    with HubServer() as server:
        commit = server.add(REPO, old)
        server.add(REPO, new)
        env = hub_env(server, tmp_path)
        pinned = run_python(PREDICT.format(name=REPO, revision=commit), env).stdout
        newest = run_python(PREDICT.format(name=REPO, revision="main"), env).stdout
    assert pinned.split()[-1] == str(first_logit(old))
    assert newest.split()[-1] == str(first_logit(new))


@pytest.mark.parametrize(
    ("name", "revision"), [("someone/else", "main"), (REPO, "v9")], ids=["no model", "no revision"]
)
def test_what_the_hub_lacks_is_named(name: str, revision: str, tiny_model: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        server.add(REPO, tiny_model)
        code = FAIL.format(name=name, revision=revision, error="ConnectionError")
        said = run_python(code, hub_env(server, tmp_path)).stdout
    assert said.startswith(f"[model] name = {name!r}, revision = {revision!r}: the hub could not give")
    assert "nlp.to_disk()" in said
    assert "name = 'small'" in said


def test_unreachable_hub_is_named(tmp_path: Path) -> None:
    with HubServer() as server:
        env = hub_env(server, tmp_path)
    code = FAIL.format(name="biobert", revision="main", error="ConnectionError")
    said = run_python(code, env).stdout
    assert said.startswith("[model] name = 'StivenLancheros/biobert-base-cased-v1.2-finetuned-ner-CRAFT")
    assert "Check name, revision and network" in said
    assert "nlp.to_disk()" in said
    assert "name = 'small'" in said


def test_hub_that_fails_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        server.add(REPO, tiny_model)
        server.faults = Faults(status=403)
        code = FAIL.format(name=REPO, revision="main", error="ConnectionError")
        said = run_python(code, hub_env(server, tmp_path)).stdout
    assert said.startswith(f"[model] name = {REPO!r}, revision = 'main': the hub could not give")
    assert "403" in said


def test_every_fault_of_a_hub_is_named_and_a_slow_one_is_waited_for(tmp_path: Path) -> None:
    code = """
import spacy
for name in ("a/unauthorized", "a/missing", "a/failing", "a/busy", "a/torn", "a/silent", "a/slow"):
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={"model": {"name": name, "precision": "fp32"}})
    try:
        print(name, "labels", *nlp.get_pipe("craft_ner").scheme.labels)
    except ConnectionError as err:
        print(name, err)
"""
    torn = make_tiny_model(tmp_path / "torn", seed=5)
    digest = hashlib.sha256((torn / "model.safetensors").read_bytes()).hexdigest()
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
        *failed, slow = run_python(code, env, timeout=300).stdout.splitlines()
    causes = ("401", "404", "500", "503", "ChunkedEncodingError", "Timeout|timed out")
    assert len(failed) == len(causes)
    for said, cause in zip(failed, causes, strict=True):
        name = said.split()[0]
        assert said.startswith(f"{name} [model] name = {name!r}, revision = 'main': the hub could not give")
        assert re.search(cause, said), said
        assert "name = 'small'" in said
    assert slow == "a/slow labels Cell Chemical Gene Protein Sequence Taxon"


def test_what_is_cached_of_a_commit_stays_whatever_the_hub_gives_later(tmp_path: Path) -> None:
    old, new = make_tiny_model(tmp_path / "old", seed=1), make_tiny_model(tmp_path / "new", seed=2)
    with HubServer() as server:
        commit = server.add(REPO, old)
        env = hub_env(server, tmp_path)
        by_commit, by_name = (PREDICT.format(name=REPO, revision=revision) for revision in (commit, "main"))
        first = run_python(by_commit, env).stdout
        assert first.split()[-1] == str(first_logit(old))
        server.replace(REPO, commit, new)
        asked = len(server.requests)
        assert run_python(by_commit + by_name, env).stdout == 2 * first
        assert [request.path for request in server.requests[asked:]] == [
            f"/api/models/{REPO}/revision/{revision}" for revision in (commit, "main")
        ]


def test_settings_and_weights_of_two_models_never_meet(tmp_path: Path) -> None:
    old = make_tiny_model(tmp_path / "old", seed=1)
    # Shapes and names fit: only the order of the labels tells that these weights have another config.
    new = make_tiny_model(tmp_path / "new", seed=2, labels=HUB_TAGS[::-1])
    digest = hashlib.sha256((old / "model.safetensors").read_bytes()).hexdigest()
    with HubServer() as server:
        commit = server.add(REPO, old)
        env = hub_env(server, tmp_path)
        fail = FAIL.format(name=REPO, revision=commit, error="ConnectionError")
        server.faults = Faults(truncate=1000, only=f"/lfs/{digest}")
        assert "ChunkedEncodingError" in run_python(fail, env).stdout
        server.faults = Faults()
        server.replace(REPO, commit, new)
        said, again = run_python(fail + PREDICT.format(name=REPO, revision=commit), env).stdout.splitlines()
        assert f"config.json: changed on the hub under commit {commit} while being fetched; try again" in said
        assert again.split()[-1] == str(first_logit(new))


def test_a_branch_that_moves_on_while_it_is_fetched_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = iter("ab")
    asked: list[str] = []

    def moving(hub_id: str, *, revision: str, **_: object) -> str:
        asked.append(revision)
        folder = tmp_path / (next(commits) if revision == "main" else revision)
        folder.mkdir(exist_ok=True)
        (folder / "config.json").touch()
        if len(asked) == 2:
            (folder / "pytorch_model.bin").touch()
        return str(folder)

    monkeypatch.setattr("craftner_spacy.sources.snapshot_download", moving)
    assert find_folder(REPO, "main") == tmp_path / "a"
    assert asked == ["main", "a"]


def test_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("craftner_spacy.sources.snapshot_download", no_space)
    with pytest.raises(ConnectionError, match=r"someone/tiny-craft.*No space left on device"):
        find_folder(REPO, "main")


def test_a_disk_that_fills_leaves_nothing_that_is_used(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))\n"
    room = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
    fail = FAIL.format(name=REPO, revision="main", error="ConnectionError")
    predict = PREDICT.format(name=REPO, revision="main")
    with HubServer() as server:
        server.add(REPO, folder)
        said = run_python(full + fail + room + predict, hub_env(server, tmp_path)).stdout.splitlines()
    assert "OSError: [Errno 27] File too large" in said[0]
    assert said[1].endswith(f" {first_logit(folder)}")


def test_blocked_sockets_are_named_where_a_download_was_asked_for(tmp_path: Path) -> None:
    code = NO_NETWORK + LOAD.format(name=REPO, revision="main") + "assert not network_attempts\n"
    code += """
try:
    nlp("mouse")
except ConnectionError as err:
    print(err)
assert network_attempts
"""
    with HubServer() as server:
        said = run_python(code, hub_env(server, tmp_path)).stdout
        assert server.requests == []
    assert said.startswith(f"[model] name = {REPO!r}, revision = 'main': the hub could not give this model")
    assert "name = 'small', which needs no network" in said


def test_hub_repository_without_weights_is_named(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    with HubServer() as server:
        server.add(REPO, folder)
        code = FAIL.format(name=REPO, revision="main", error="FileNotFoundError")
        said = run_python(code, hub_env(server, tmp_path)).stdout
    assert "holds no model: no model.safetensors or pytorch_model.bin" in said


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


def test_names_mean_one_place_wherever_they_are_said(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[object]
) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "deep").mkdir()
    shutil.copytree(tiny_model, tmp_path / "model")
    monkeypatch.chdir(tmp_path / "deep")
    assert find_folder("../model", "main").samefile(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    assert find_folder("deep/../model", "main").samefile(tmp_path / "model")
    # The package's own, not the empty folder of that name beside.
    assert (find_folder("small", "main") / "MODEL_CARD.md").is_file()
    assert no_network == []


def test_network_is_not_asked_when_offline(no_network: list[object]) -> None:
    with pytest.raises(ConnectionError, match=r"\[model\] name = 'someone/else'"):
        find_folder("someone/else", "main")
    assert no_network == []


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_weights_of_both_kinds_are_the_same(
    kind: Literal["bin", "safetensors"], tiny_model: Path, tmp_path: Path
) -> None:
    assert first_logit(make_tiny_model(tmp_path, weights=kind)) == first_logit(tiny_model)


@pytest.mark.parametrize(
    ("kind", "file"), [("safetensors", "model.safetensors"), ("bin", "pytorch_model.bin")]
)
@pytest.mark.parametrize("size", [0, 5, 3000])
def test_truncated_weights_are_named(
    kind: Literal["bin", "safetensors"], file: str, size: int, tmp_path: Path
) -> None:
    make_tiny_model(tmp_path, weights=kind)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[:size])
    with pytest.raises(OSError, match="the model's files are damaged or do not belong together"):
        load_folder(tmp_path)


def test_weights_of_another_size_are_named(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "a")
    make_tiny_model(tmp_path / "b", labels=("O", "B-Cell", "I-Cell"))
    shutil.copy(tmp_path / "b" / "config.json", tmp_path / "a")
    with pytest.raises(OSError, match="damaged or do not belong together"):
        load_folder(tmp_path / "a")


def test_weights_without_a_part_of_the_encoder_are_named(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "encoder.layer.1" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(OSError, match=r"the weights lack 16 parts of the encoder, such as 'bert\.encoder\."):
        load_folder(tmp_path)


def test_a_tokenizer_that_tells_no_offsets_is_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}', encoding="utf8")
    with pytest.raises(ValueError, match="has no fast tokenizer"):
        load_folder(tmp_path)


@pytest.mark.parametrize("cased", [True, False])
def test_case_is_kept_where_the_vocabulary_is_cased_and_no_file_says_so(
    cased: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_tiny_model(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).unlink()
    if not cased:
        vocab = (tmp_path / "vocab.txt").read_text(encoding="utf8")
        lines = [line if line.startswith("[") else line.lower() for line in vocab.splitlines()]
        (tmp_path / "vocab.txt").write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf8")
    pieces = load_folder(tmp_path).tokenizer.tokenize("The Mouse")
    assert pieces[0] == ("The" if cased else "the")
    assert ("the vocabulary is cased" in caplog.text) is cased


@pytest.mark.parametrize("shown", [True, False])
def test_the_librarys_remarks_are_as_they_were_behind_loading(shown: bool, tiny_model: Path) -> None:
    before = transformers_logging.is_progress_bar_enabled()
    try:
        (transformers_logging.enable_progress_bar if shown else transformers_logging.disable_progress_bar)()
        verbosity = transformers_logging.get_verbosity()
        load_folder(tiny_model)
        assert transformers_logging.is_progress_bar_enabled() is shown
        assert transformers_logging.get_verbosity() == verbosity
    finally:
        (transformers_logging.enable_progress_bar if before else transformers_logging.disable_progress_bar)()


def test_hostile_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "model", weights="bin")
    trace = tmp_path / "it-ran"
    with (tmp_path / "model" / "pytorch_model.bin").open("wb") as file:
        torch.save({"classifier.bias": Payload(trace)}, file)
    with pytest.raises(OSError, match="damaged or do not belong together"):
        load_folder(tmp_path / "model")
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists()


class Payload:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[type[Path.touch], tuple[Path]]:  # type: ignore[valid-type]
        return Path.touch, (self.path,)


def test_code_of_a_model_is_not_run(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf8"))
    config["model_type"] = "made-up"
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForTokenClassification": "evil.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf8")
    trace = tmp_path / "it-ran"
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')", encoding="utf8")
    with pytest.raises((OSError, ValueError), match=r"evil|made-up|trust_remote_code|custom code"):
        load_folder(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "\x00\x00"])
def test_damaged_settings_are_named(file: str, content: str, tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    (tmp_path / file).write_text(content, encoding="utf8")
    with pytest.raises(OSError, match="damaged or do not belong together"):
        load_folder(tmp_path)


# Labels


def test_nameless_labels_are_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path, labels=("LABEL_0", "LABEL_1"))
    with pytest.raises(
        ValueError, match=r"labels have no names: LABEL_0, LABEL_1\. Name them in the id2label"
    ):
        load_folder(tmp_path)
    assert read_tags(load_folder(tmp_path, ["Cell"]).transformer.config.id2label).labels == ("Cell",)


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", "a\nb", "x\x1b[31m", "{{7*7}}"])
def test_hostile_labels_are_refused(label: str, tmp_path: Path) -> None:
    make_tiny_model(tmp_path, labels=("O", f"B-{label}"))
    with pytest.raises(ValueError, match="has characters other than letters, digits, space") as caught:
        load_folder(tmp_path)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_labels_that_are_not_bio_are_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path, labels=("NEGATIVE", "POSITIVE"))
    with pytest.raises(ValueError, match="tag 'NEGATIVE' is not of the BIO scheme"):
        load_folder(tmp_path)


def test_craft_labels_are_spelt_our_way_and_others_stay() -> None:
    assert read_tags(dict(enumerate(HUB_TAGS))).tags == tuple(tag.replace("GENE", "Gene") for tag in HUB_TAGS)
    upper = {i: tag[:2] + tag[2:].upper() for i, tag in enumerate(HUB_TAGS)}
    expected = ("Cell", "Chemical", "Gene", "Protein", "Sequence", "Taxon")
    assert read_tags(upper).labels == expected
    assert read_tags({0: "O", 1: "B-GENE", 2: "I-GENE"}).labels == ("GENE",)


@pytest.mark.parametrize("architecture", ["encoder", "masked-lm"])
def test_encoder_is_refused_for_prediction_and_taken_for_training(
    architecture: Literal["encoder", "masked-lm"], tmp_path: Path
) -> None:
    make_tiny_model(tmp_path, architecture=architecture)
    with pytest.raises(ValueError, match=r"labels have no names|an encoder without a token classifier"):
        load_folder(tmp_path)
    hf_model = load_folder(tmp_path, ["Taxon", "Cell"])
    tags = read_tags(hf_model.transformer.config.id2label).tags
    assert tags == ("B-Cell", "B-Taxon", "I-Cell", "I-Taxon", "O")
    assert tuple(hf_model.transformer.classifier.weight.shape) == (5, 32)


def test_encoder_with_named_labels_is_still_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "tagger")
    make_tiny_model(tmp_path / "encoder", architecture="encoder")
    shutil.copy(tmp_path / "tagger" / "config.json", tmp_path / "encoder")
    with pytest.raises(ValueError, match="holds an encoder without a token classifier: train it first"):
        load_folder(tmp_path / "encoder")
