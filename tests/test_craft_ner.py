"""The component: its settings, what it writes on a Doc, saving, and training."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from hub import NO_NETWORK, run_python
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Adam, ArgsKwargs, fix_random_seed
from tiny_models import make_tiny_model

from craftner_spacy.alignment import Entity
from craftner_spacy.craft_ner import CraftNER, gold_tags
from craftner_spacy.model import shim_of

Found = list[tuple[str, str]]

TRAINING: list[tuple[str, list[tuple[int, int, str]]]] = [
    ("The kinase in mouse brain .", [(4, 10, "Protein"), (14, 19, "Taxon")]),
    ("In mouse kinase was expressed .", [(3, 8, "Taxon"), (9, 15, "Protein")]),
    ("In mouse-kinase cells .", [(3, 8, "Taxon"), (9, 15, "Protein")]),
    ("We were in the blood .", []),
    ("The stem cells of yeast with receptor .", [(18, 23, "Taxon"), (29, 37, "Protein")]),
]
TEXTS = [text for text, _ in TRAINING]
GOLD: list[Found] = [[(text[start:end], label) for start, end, label in ents] for text, ents in TRAINING]


def make_nlp(model: Path, lang: str = "en", *, precision: str = "fp32", **settings: object) -> Language:
    nlp = spacy.blank(lang)
    config = {"model": {"name": str(model), "precision": precision}, **settings}
    nlp.add_pipe("craft_ner", config=config)
    return nlp


def component(nlp: Language) -> CraftNER:
    pipe = nlp.get_pipe("craft_ner")
    assert isinstance(pipe, CraftNER)
    return pipe


def ents(doc: Doc) -> Found:
    return [(ent.text, ent.label_) for ent in doc.ents]


def examples(nlp: Language) -> list[Example]:
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": [tuple(ent) for ent in gold]})
        for text, gold in TRAINING
    ]


def train(encoder: Path, updates: int) -> Language:
    fix_random_seed(0)
    nlp = make_nlp(encoder)
    batch = examples(nlp)
    nlp.initialize(lambda: batch)
    optimizer = Adam(2e-3)
    for _ in range(updates):
        nlp.update(examples(nlp), sgd=optimizer)
    return nlp


def weights(nlp: Language) -> dict[str, np.ndarray]:
    network = shim_of(component(nlp).model)._hfmodel.transformer
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("encoder") / "bert", architecture="encoder")


@pytest.fixture(scope="module")
def trained(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline on disk that knows the training texts by heart."""
    nlp = train(tiny_encoder, 160)
    path = tmp_path_factory.mktemp("trained") / "pipeline"
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="module")
def weights_folder(trained: Path) -> Path:
    return trained / "craft_ner" / "model"


# Making


def test_making_loads_nothing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    assert not shim_of(component(nlp).model).is_loaded
    assert component(nlp).labels == ()
    nlp("mouse")
    assert shim_of(component(nlp).model).is_loaded
    assert component(nlp).labels == ("Cell", "Chemical", "Gene", "Protein", "Sequence", "Taxon")


def test_making_does_not_look_for_the_model(no_network: list[object]) -> None:
    nlp = make_nlp(Path("nobody/has-this"))
    assert not shim_of(component(nlp).model).is_loaded
    assert no_network == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"alignment_mode": "shrink"},
            r"alignment_mode = 'shrink': allowed are strict, contract, expand, split",
        ),
        ({"threshold": 1.5}, r"threshold = 1\.5: allowed are numbers from 0 to 1"),
        ({"threshold": -0.1}, r"threshold = -0\.1: allowed are numbers from 0 to 1"),
        ({"batch_tokens": 0}, r"batch_tokens = 0: allowed are whole numbers from 1"),
        ({"spans_key": ""}, r"spans_key = '': allowed are a name, or null"),
        ({"label_map": {"Gene": "<b>Gene"}}, r"label_map has '<b>Gene': allowed are letters, digits, space"),
        ({"label_map": {"Gene": ""}}, r"label_map has '': allowed are letters"),
        ({"model": {"name": ""}}, r"name is empty: allowed are 'small', 'biobert'"),
        ({"model": {"pooling": "last"}}, r"pooling = 'last': allowed are first, mean, max"),
        ({"model": {"precision": "fp8"}}, r"precision = 'fp8': allowed are auto, fp32, bf16"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spacy.blank("en").add_pipe("craft_ner", config=settings)


# What is written on a Doc


@pytest.mark.parametrize(
    ("mode", "expected", "n_unplaced"),
    [
        ("strict", [("mouse", "Taxon")], 2),
        ("contract", [("cells", "Cell"), ("mouse", "Taxon")], 1),
        ("expand", [("SirT1ko", "Protein"), ("stem cells", "Cell"), ("mouse", "Taxon")], 0),
        ("split", [("SirT1", "Protein"), ("em cells", "Cell"), ("mouse", "Taxon")], 0),
    ],
)
def test_alignment_mode(tiny_model: Path, mode: str, expected: Found, n_unplaced: int) -> None:
    nlp = make_nlp(tiny_model, alignment_mode=mode)
    doc = Doc(nlp.vocab, words=["SirT1ko", "stem", "cells", "mouse"])
    found = [Entity(0, 5, "Protein", 0.9), Entity(10, 18, "Cell", 0.5), Entity(19, 24, "Taxon", 0.75)]
    component(nlp).set_annotations([doc], [found])
    assert ents(doc) == expected
    group = doc.spans["craft_ner"]
    assert [(span.text, span.label_) for span in group] == expected
    assert len(group.attrs["unplaced"]) == n_unplaced
    offsets = {"Protein": [0, 5], "Cell": [10, 18], "Taxon": [19, 24]}
    scores = {"Protein": 0.9, "Cell": 0.5, "Taxon": 0.75}
    assert group.attrs["offsets"] == [offsets[label] for _, label in expected]
    assert group.attrs["scores"] == [scores[label] for _, label in expected]


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [
        (True, [("stem", "Mine"), ("cells", "Cell"), ("of", "Gene"), ("mouse", "Taxon")]),
        (False, [("stem", "Mine"), ("cells of", "Mine"), ("mouse", "Taxon")]),
    ],
)
def test_overwrite_ents(tiny_model: Path, overwrite: bool, expected: Found) -> None:
    nlp = make_nlp(tiny_model, overwrite_ents=overwrite)
    doc = Doc(nlp.vocab, words=["stem", "cells", "of", "mouse"])
    doc.ents = [Span(doc, 0, 1, label="Mine"), Span(doc, 1, 3, label="Mine")]
    found = [Entity(5, 10, "Cell", 0.5), Entity(11, 13, "Gene", 0.5), Entity(14, 19, "Taxon", 0.5)]
    component(nlp).set_annotations([doc], [found])
    assert ents(doc) == expected
    assert [span.label_ for span in doc.spans["craft_ner"]] == ["Cell", "Gene", "Taxon"]


@pytest.mark.parametrize(("key", "keys"), [("bio", ["bio"]), (None, [])])
def test_spans_key(weights_folder: Path, key: str | None, keys: list[str]) -> None:
    doc = make_nlp(weights_folder, spans_key=key)(TEXTS[0])
    assert list(doc.spans) == keys
    assert ents(doc) == GOLD[0]


def test_threshold_keeps_what_equals_it(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model, threshold=0.5)
    doc = Doc(nlp.vocab, words=["stem", "cells", "mouse"])
    found = [Entity(0, 4, "Cell", 0.4999), Entity(5, 10, "Cell", 0.5), Entity(11, 16, "Taxon", 0.75)]
    component(nlp).set_annotations([doc], [found])
    assert ents(doc) == [("cells", "Cell"), ("mouse", "Taxon")]
    assert doc.spans["craft_ner"].attrs["scores"] == [0.5, 0.75]
    assert doc.spans["craft_ner"].attrs["unplaced"] == []


def test_threshold_of_one_leaves_nothing(weights_folder: Path) -> None:
    assert ents(make_nlp(weights_folder, threshold=1.0)(TEXTS[0])) == []


def test_label_map(weights_folder: Path) -> None:
    doc = make_nlp(weights_folder, label_map={"Protein": "GENE_OR_PROTEIN"})(TEXTS[0])
    assert ents(doc) == [("kinase", "GENE_OR_PROTEIN"), ("mouse", "Taxon")]
    assert [span.label_ for span in doc.spans["craft_ner"]] == ["GENE_OR_PROTEIN", "Taxon"]


@pytest.mark.parametrize("batch_tokens", [1, 20, 100_000])
def test_batch_tokens_change_nothing(weights_folder: Path, batch_tokens: int) -> None:
    nlp = make_nlp(weights_folder, batch_tokens=batch_tokens)
    assert component(nlp).model.attrs["batch_tokens"] == batch_tokens
    assert [ents(doc) for doc in nlp.pipe(TEXTS)] == GOLD


@pytest.mark.parametrize("pooling", ["first", "mean", "max"])
def test_pooling(tiny_model: Path, pooling: str) -> None:
    nlp = spacy.blank("en")
    config = {"model": {"name": str(tiny_model), "precision": "fp32", "pooling": pooling}}
    pipe = nlp.add_pipe("craft_ner", config=config)
    assert isinstance(pipe, CraftNER)
    assert pipe.scheme.labels[0] == "Cell"
    # "qz" is read as "q" and "##z": the pieces' scores come straight from the network.
    doc = nlp.make_doc("mouse qz")
    shim = shim_of(pipe.model)
    encoding = shim._hfmodel.tokenizer(doc.text, return_tensors="pt")
    network = shim._hfmodel.transformer
    pieces = network(**encoding).logits[0].detach().numpy()[1:-1]
    assert len(pieces) == 3
    expected = {"first": pieces[1], "mean": pieces[1:].mean(0), "max": pieces[1:].max(0)}[pooling]
    [words] = pipe.model.predict([doc])
    np.testing.assert_allclose(words.logits, [pieces[0], expected], rtol=1e-4, atol=1e-4)
    assert words.chars.tolist() == [[0, 5], [6, 8]]


def test_unplaced_are_counted_in_one_warning_and_kept(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder, alignment_mode="strict")
    words = ["In", "mouse-kinase", "cells", "."]
    docs = [Doc(nlp.vocab, words=words, spaces=[True, True, True, False]) for _ in range(2)]
    with pytest.warns(UserWarning, match="do not fit the tokens") as caught:
        done = list(component(nlp).pipe(docs))
    assert len(caught) == 1
    assert "craft_ner: 4 entities do not fit the tokens" in str(caught[0].message)
    assert "'strict'" in str(caught[0].message)
    assert "doc.spans['craft_ner'].attrs['unplaced']" in str(caught[0].message)
    for doc in done:
        assert ents(doc) == []
        unplaced = doc.spans["craft_ner"].attrs["unplaced"]
        assert [(e["start"], e["end"], e["label"]) for e in unplaced] == [(3, 8, "Taxon"), (9, 15, "Protein")]
        assert all(0.5 < e["score"] <= 1.0 for e in unplaced)
    # The count begins anew: a call without losses is silent (warnings are errors here).
    assert ents(nlp(TEXTS[0])) == GOLD[0]


def test_words_that_no_span_covers_are_warned_of(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    component(nlp).model.attrs["get_spans"] = lambda docs: [[doc[:2]] for doc in docs]
    with pytest.warns(UserWarning, match="craft_ner: 4 words stand in no span"):
        nlp(TEXTS[0])


# Errors


class BrokenError(Exception):
    """What the tests' bad documents raise."""


def broken_spans(docs: Iterable[Doc]) -> list[list[Span]]:
    docs = list(docs)
    if any("bad" in doc.text for doc in docs):
        raise BrokenError("a bad document")
    return [[doc[:]] for doc in docs]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
@pytest.mark.parametrize("n_bad", [1, 3])
def test_a_bad_document_goes_to_the_handler_alone(weights_folder: Path, batch_size: int, n_bad: int) -> None:
    nlp = make_nlp(weights_folder)
    component(nlp).model.attrs["get_spans"] = broken_spans
    handed: list[tuple[str, str, str]] = []
    nlp.set_error_handler(
        lambda name, pipe, docs, err: handed.extend((name, doc.text, str(err)) for doc in docs)
    )
    bad = [f"A bad one, {i}" for i in range(n_bad)]
    texts = [TEXTS[0], *bad, *TEXTS[1:]]
    done = list(nlp.pipe(texts, batch_size=batch_size))
    assert [doc.text for doc in done] == TEXTS
    assert [ents(doc) for doc in done] == GOLD
    assert handed == [("craft_ner", text, "a bad document") for text in bad]


def test_without_a_handler_the_error_is_raised(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    component(nlp).model.attrs["get_spans"] = broken_spans
    with pytest.raises(BrokenError, match="a bad document"):
        list(nlp.pipe([*TEXTS, "A bad one"]))
    with pytest.raises(BrokenError, match="a bad document"):
        nlp("A bad one")


def test_a_document_that_cannot_be_written_on_goes_to_the_handler(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    handed: list[str] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handed.extend(doc.text for doc in docs))
    write = component(nlp)._set_ents

    def set_ents(doc: Doc, spans: list[Span]) -> None:
        if doc.text == TEXTS[1]:
            raise BrokenError
        write(doc, spans)

    component(nlp)._set_ents = set_ents  # type: ignore[method-assign]
    assert [ents(doc) for doc in nlp.pipe(TEXTS)] == [GOLD[0], *GOLD[2:]]
    assert handed == [TEXTS[1]]


def test_a_model_that_cannot_be_loaded_is_looked_for_once_a_batch(tmp_path: Path) -> None:
    nlp = make_nlp(tmp_path / "nowhere")
    handed: list[tuple[int, type[Exception]]] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handed.append((len(docs), type(err))))
    assert list(nlp.pipe(TEXTS, batch_size=3)) == []
    assert handed == [(3, FileNotFoundError), (2, FileNotFoundError)]


def test_an_error_of_the_stream_is_not_the_components(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    nlp.set_error_handler(lambda name, pipe, docs, err: None)

    def stream() -> Iterator[Doc]:
        yield nlp.make_doc(TEXTS[0])
        raise BrokenError("upstream")

    with pytest.raises(BrokenError, match="upstream"):
        list(component(nlp).pipe(stream(), batch_size=1))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
    ids=["card", "processor", "Python"],
)
def test_out_of_memory_halves_the_batch(
    weights_folder: Path, error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_nlp(weights_folder)
    shim = shim_of(component(nlp).model)
    predict = shim.predict
    sizes: list[int] = []

    def little_memory(inputs: ArgsKwargs) -> torch.Tensor:
        sizes.append(len(inputs.kwargs["input_ids"]))
        if sizes[-1] > 2:
            raise error
        return predict(inputs)

    monkeypatch.setattr(shim, "predict", little_memory)
    assert [ents(doc) for doc in nlp.pipe(TEXTS * 2)] == GOLD * 2
    assert sizes == [10, 5, 2, 3, 1, 2, 5, 2, 3, 1, 2]
    assert caplog.messages[0] == "out of memory with 10 windows at once: halved; lower batch_tokens"


def test_only_what_has_no_memory_alone_is_an_error(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_nlp(weights_folder)
    shim = shim_of(component(nlp).model)
    predict = shim.predict

    def little_memory(inputs: ArgsKwargs) -> torch.Tensor:
        if inputs.kwargs["input_ids"].shape[1] > 50:
            raise torch.OutOfMemoryError("too long")
        return predict(inputs)

    monkeypatch.setattr(shim, "predict", little_memory)
    handed: list[str] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handed.append(f"{len(docs)} {err}"))
    long_text = " ".join(["mouse"] * 60)
    assert [ents(doc) for doc in nlp.pipe([*TEXTS, long_text, *TEXTS])] == GOLD * 2
    assert handed == ["1 too long"]


def test_other_runtime_errors_are_no_reason_to_halve(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_nlp(weights_folder)
    pipe = component(nlp)
    assert pipe.scheme
    calls: list[int] = []

    def fail(inputs: ArgsKwargs) -> torch.Tensor:
        calls.append(len(inputs.kwargs["input_ids"]))
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(shim_of(pipe.model), "predict", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        pipe.predict([nlp.make_doc(text) for text in TEXTS])
    assert calls == [5]


# Odd documents


@pytest.mark.parametrize(("text", "n_tokens"), [("", 0), (" ", 1), ("\n\n \t", 2), ("a", 1), ("−", 1)])
def test_short_and_blank_texts(tiny_model: Path, text: str, n_tokens: int) -> None:
    nlp = make_nlp(tiny_model)
    doc = nlp(text)
    assert doc.text == text
    assert len(doc.spans["craft_ner"]) == len(doc.ents) <= n_tokens
    [words] = component(nlp).model.predict([doc])
    assert words.chars.tolist() == ([[0, 1]] if text.strip() else [])
    assert words.logits.shape == (len(words.chars), 13)


def test_empty_documents_among_others(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    docs = list(nlp.pipe(["", TEXTS[0], "  ", TEXTS[1], ""]))
    assert [ents(doc) for doc in docs] == [[], GOLD[0], [], GOLD[1], []]


@pytest.mark.parametrize("lang", ["en", "es", "xx"])
def test_languages(weights_folder: Path, lang: str) -> None:
    assert ents(make_nlp(weights_folder, lang)(TEXTS[0])) == GOLD[0]


def test_long_document_is_read_whole(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    doc = nlp(" ".join(["yeast receptor was expressed in mouse"] * 500))
    [words] = component(nlp).model.predict([doc])
    assert words.n_unread == 0
    assert words.chars.tolist() == [[token.idx, token.idx + len(token)] for token in doc]
    assert len(words.chars) == 3000
    assert np.isfinite(words.logits).all()


def test_a_span_longer_than_the_encoder_is_read_whole(tmp_path: Path) -> None:
    nlp = make_nlp(make_tiny_model(tmp_path / "short", max_positions=16))
    doc = nlp(" ".join(["mouse"] * 300))
    [words] = component(nlp).model.predict([doc])
    assert words.n_unread == 0
    assert words.chars.tolist() == [[6 * i, 6 * i + 5] for i in range(300)]


def test_pipe_keeps_order_and_equals_single_calls(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    texts = TEXTS * 3
    single = [nlp(text).to_json() for text in texts]
    piped = [doc.to_json() for doc in nlp.pipe(texts, batch_size=4)]
    assert [doc["text"] for doc in piped] == texts
    assert [doc["ents"] for doc in piped] == [doc["ents"] for doc in single]
    assert [ents(doc) for doc in nlp.pipe(texts, batch_size=2)] == GOLD * 3


def test_docbin_keeps_entities_and_scores(weights_folder: Path) -> None:
    nlp = make_nlp(weights_folder)
    docs = list(nlp.pipe(TEXTS))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    again = list(DocBin().from_bytes(data).get_docs(spacy.blank("en").vocab))
    assert [ents(doc) for doc in again] == GOLD
    for old, new in zip(docs, again, strict=True):
        groups = old.spans["craft_ner"], new.spans["craft_ner"]
        assert [(s.start, s.end, s.label_) for s in groups[0]] == [
            (s.start, s.end, s.label_) for s in groups[1]
        ]
        assert groups[0].attrs == groups[1].attrs
        assert len(groups[1].attrs["scores"]) == len(new.ents)


def test_two_processes_after_a_call_in_the_parent(trained: Path) -> None:
    code = f"""
import spacy
if __name__ == "__main__":
    nlp = spacy.load({str(trained)!r})
    nlp({TEXTS[0]!r})
    docs = nlp.pipe({TEXTS!r} * 2, n_process=2, batch_size=2)
    assert [[(e.text, e.label_) for e in doc.ents] for doc in docs] == {GOLD!r} * 2
    print("same")
"""
    assert run_python(code, dict(os.environ), timeout=100).stdout == "same\n"


# Saving


def by_disk(nlp: Language, path: Path) -> Language:
    component(nlp).to_disk(path / "component")
    other = make_nlp(path / "nowhere")
    component(other).from_disk(path / "component")
    return other


def by_bytes(nlp: Language, path: Path) -> Language:
    other = make_nlp(path / "nowhere")
    component(other).from_bytes(component(nlp).to_bytes())
    return other


def by_load(nlp: Language, path: Path) -> Language:
    nlp.to_disk(path / "pipeline")
    return spacy.load(path / "pipeline")


def by_pipeline_bytes(nlp: Language, path: Path) -> Language:
    return make_nlp(path / "nowhere").from_bytes(nlp.to_bytes())


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_load, by_pipeline_bytes])
@pytest.mark.parametrize("called_before", [True, False])
def test_saved_predicts_the_same_without_the_original(
    weights_folder: Path,
    tmp_path: Path,
    no_network: list[object],
    way: Callable[[Language, Path], Language],
    called_before: bool,
) -> None:
    original = shutil.copytree(weights_folder, tmp_path / "original")
    nlp = make_nlp(original)
    if called_before:
        nlp(TEXTS[0])
    saved = way(nlp, tmp_path)
    shutil.rmtree(original)
    assert [ents(doc) for doc in saved.pipe(TEXTS)] == GOLD
    mine, theirs = weights(nlp), weights(saved)
    assert mine.keys() == theirs.keys()
    assert all((mine[name] == theirs[name]).all() for name in mine)
    assert no_network == []


def test_saved_folder_has_no_pickle(trained: Path) -> None:
    folder = trained / "craft_ner"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [
        "model/config.json",
        "model/model.safetensors",
        "model/special_tokens_map.json",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
    ]


def test_saving_onto_the_folder_it_was_loaded_from(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "pipeline")
    nlp = spacy.load(folder)
    (folder / "craft_ner" / "model" / "NOTES.md").write_text("mine")
    for _ in range(2):
        nlp.to_disk(folder)
        assert [ents(doc) for doc in nlp.pipe(TEXTS)] == GOLD
    nlp.update(examples(nlp), sgd=Adam(1e-5))
    nlp.to_disk(folder)
    again = weights(spacy.load(folder))
    assert all((again[name] == value).all() for name, value in weights(nlp).items())
    names = {path.name for path in (folder / "craft_ner" / "model").iterdir()}
    assert "NOTES.md" in names
    assert not [name for name in names if name.startswith(".")]


def test_saving_that_fails_leaves_the_folder_as_it_was(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(trained, tmp_path / "pipeline") / "craft_ner" / "model"
    nlp = spacy.load(tmp_path / "pipeline")
    nlp.update(examples(nlp), sgd=Adam(0.1))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shim_of(component(nlp).model)._hfmodel.tokenizer, "save_pretrained", no_space)
    with pytest.raises(OSError, match="No space left"):
        nlp.to_disk(tmp_path / "pipeline")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_damaged_folder_leaves_the_loaded_model_in_use(trained: Path, tmp_path: Path) -> None:
    nlp = spacy.load(trained)
    damaged = shutil.copytree(trained / "craft_ner", tmp_path / "damaged")
    (damaged / "model" / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(OSError, match="damaged or do not belong together"):
        component(nlp).from_disk(damaged)
    assert [ents(doc) for doc in nlp.pipe(TEXTS)] == GOLD


def test_from_disk_without_model_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="craft_ner: there is no folder 'model'"):
        component(make_nlp(tiny_model)).from_disk(tmp_path)


def test_saved_pipeline_loads_without_network_in_a_new_process(trained: Path) -> None:
    code = NO_NETWORK + (
        f"import spacy\nnlp = spacy.load({str(trained)!r})\n"
        f"print([[(e.text, e.label_) for e in doc.ents] for doc in nlp.pipe({TEXTS!r})] == {GOLD!r})\n"
        "print(network_attempts)"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    assert run_python(code, env).stdout == "True\n[]\n"


# Training


def test_learns_a_tiny_set_by_heart(trained: Path) -> None:
    nlp = spacy.load(trained)
    assert component(nlp).labels == ("Protein", "Taxon")
    assert [ents(nlp(text)) for text in TEXTS] == GOLD
    scores = nlp.evaluate(examples(nlp))
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"], scores["ents_acc"]) == (1, 1, 1, 1)
    assert 0.0 < scores["ents_loss"] < 0.2


def test_loss_falls(tiny_encoder: Path) -> None:
    fix_random_seed(0)
    nlp = make_nlp(tiny_encoder)
    nlp.initialize(lambda: examples(nlp))
    optimizer = Adam(2e-3)
    losses = [nlp.update(examples(nlp), sgd=optimizer)["craft_ner"] for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


def test_same_seed_gives_the_same_weights(tiny_encoder: Path) -> None:
    first, second = weights(train(tiny_encoder, 3)), weights(train(tiny_encoder, 3))
    start = weights(train(tiny_encoder, 0))
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)
    assert (first["classifier.weight"] != start["classifier.weight"]).all()


def test_frozen_is_not_trained(trained: Path) -> None:
    nlp = spacy.load(trained)
    nlp.add_pipe("tagger")
    batch = [
        Example.from_dict(nlp.make_doc(eg.text), {"tags": ["X"] * len(eg.predicted)}) for eg in examples(nlp)
    ]
    nlp.get_pipe("tagger").initialize(lambda: batch, nlp=nlp)  # type: ignore[attr-defined]
    before = weights(nlp)
    losses = nlp.update(batch, sgd=Adam(0.1), exclude=["craft_ner"])
    assert losses.keys() == {"tagger"}
    assert all((weights(nlp)[name] == before[name]).all() for name in before)


def test_resumed_training_goes_on_from_what_was_learned(trained: Path) -> None:
    nlp = spacy.load(trained)
    before = nlp.evaluate(examples(nlp))["ents_loss"]
    optimizer = nlp.resume_training(sgd=Adam(5e-4))
    for _ in range(10):
        losses = nlp.update(examples(nlp), sgd=optimizer)
    assert losses["craft_ner"] < 0.3
    assert nlp.evaluate(examples(nlp))["ents_loss"] < before


def test_a_trained_pipeline_keeps_its_classifier_when_sourced(trained: Path) -> None:
    source = spacy.load(trained)
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", source=source)
    assert [ents(nlp(text)) for text in TEXTS] == GOLD


def test_classifier_that_knows_the_labels_is_kept(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    before = weights(nlp)
    nlp.initialize(lambda: examples(nlp))
    assert component(nlp).labels == ("Cell", "Chemical", "Gene", "Protein", "Sequence", "Taxon")
    assert (weights(nlp)["classifier.weight"] == before["classifier.weight"]).all()


def gold(nlp: Language, words: list[str], spaces: list[bool], tags: list[str]) -> list[str | None]:
    reference = Doc(nlp.vocab, words=words, spaces=spaces, ents=tags)
    pipe = component(nlp)
    scheme = pipe.scheme
    [scores] = pipe.model.predict([nlp.make_doc(reference.text)])
    found = gold_tags(reference, scores.chars, scheme)
    return [None if tag < 0 else scheme.tags[tag] for tag in found.tolist()]


def test_gold_that_ends_inside_a_word_is_missing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    words, spaces = ["In", "mouse", "SirT1", "ko", "cells"], [True, True, False, True, False]
    tags = ["O", "B-Taxon", "B-Protein", "O", "B-Cell"]
    assert gold(nlp, words, spaces, tags) == ["O", "B-Taxon", None, "B-Cell"]
    whole = ["O", "B-Taxon", "B-Protein", "I-Protein", "B-Cell"]
    assert gold(nlp, words, spaces, whole) == ["O", "B-Taxon", "B-Protein", "B-Cell"]


def test_gold_without_annotation_is_missing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    words, spaces = ["In", "mouse", "cells"], [True, True, False]
    assert gold(nlp, words, spaces, ["", "B-Taxon", "O"]) == [None, "B-Taxon", "O"]
    found = gold_tags(nlp.make_doc("In mouse"), np.array([[0, 2], [3, 8]]), component(nlp).scheme)
    assert found.tolist() == [-1, -1]


def test_gold_label_unknown_to_the_model_is_named(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    with pytest.raises(ValueError, match="label 'Disease' is none of the model's: Cell, Chemical"):
        gold(nlp, ["mouse"], [False], ["B-Disease"])


def test_examples_whose_texts_differ_are_refused(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    with pytest.raises(ValueError, match="predicted and reference text of an example differ: 'the rat'"):
        nlp.update([Example(nlp.make_doc("the mouse"), nlp.make_doc("the rat"))])


def test_labels_that_are_given_are_not_gathered_from_examples(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    known = component(nlp).label_data

    def no_examples() -> Iterable[Example]:
        raise AssertionError("the examples were asked for labels")

    before = weights(nlp)
    component(nlp).initialize(no_examples, labels=known)
    assert component(nlp).labels == known
    assert all(np.array_equal(before[name], value) for name, value in weights(nlp).items())
    component(nlp).initialize(no_examples, labels=["Organ"])
    assert component(nlp).labels == ("Organ",)


def test_update_with_an_optimizer_takes_the_step_itself(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    before = weights(nlp)["classifier.bias"]
    component(nlp).update(examples(nlp), sgd=None)
    assert np.array_equal(weights(nlp)["classifier.bias"], before)
    component(nlp).update(examples(nlp), sgd=Adam(0.1))
    assert not np.array_equal(weights(nlp)["classifier.bias"], before)


def test_update_of_empty_documents_changes_nothing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp.initialize()
    before = weights(nlp)
    example = Example.from_dict(nlp.make_doc(""), {"entities": []})
    assert component(nlp).update([example], sgd=Adam(0.1)) == {"craft_ner": 0.0}
    assert all((weights(nlp)[name] == before[name]).all() for name in before)
