"""Errors: each document that fails goes to the error handler alone, and a lack of memory halves the batch."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from spacy.tokens import Doc, Span
from thinc.api import ArgsKwargs
from tiny_pipelines import GOLD, TEXTS, get_craft_ner, make_nlp, read_ents

from craftner_spacy.model import get_shim


class BrokenError(Exception):
    """What the bad documents of these tests raise."""


def broken_spans(docs: Iterable[Doc]) -> list[list[Span]]:
    docs = list(docs)
    if any("bad" in doc.text for doc in docs):
        raise BrokenError("a bad document")
    return [[doc[:]] for doc in docs]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
@pytest.mark.parametrize("n_bad", [1, 3])
def test_a_bad_document_goes_to_the_handler_alone(trained_model: Path, batch_size: int, n_bad: int) -> None:
    nlp = make_nlp(trained_model)
    get_craft_ner(nlp).model.attrs["get_spans"] = broken_spans
    handled: list[tuple[str, str, str]] = []
    nlp.set_error_handler(
        lambda name, pipe, docs, err: handled.extend((name, doc.text, str(err)) for doc in docs)
    )
    bad = [f"A bad one, {i}" for i in range(n_bad)]
    texts = [TEXTS[0], *bad, *TEXTS[1:]]
    done = list(nlp.pipe(texts, batch_size=batch_size))
    assert [doc.text for doc in done] == TEXTS
    assert [read_ents(doc) for doc in done] == GOLD
    assert handled == [("craft_ner", text, "a bad document") for text in bad]


def test_without_a_handler_the_error_is_raised(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    get_craft_ner(nlp).model.attrs["get_spans"] = broken_spans
    with pytest.raises(BrokenError, match="a bad document"):
        list(nlp.pipe([*TEXTS, "A bad one"]))
    with pytest.raises(BrokenError, match="a bad document"):
        nlp("A bad one")


def test_a_document_that_cannot_be_annotated_goes_to_the_handler(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    handled: list[str] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handled.extend(doc.text for doc in docs))
    write = get_craft_ner(nlp)._set_ents

    def set_ents(doc: Doc, spans: list[Span]) -> None:
        if doc.text == TEXTS[1]:
            raise BrokenError
        write(doc, spans)

    get_craft_ner(nlp)._set_ents = set_ents  # type: ignore[method-assign]
    assert [read_ents(doc) for doc in nlp.pipe(TEXTS)] == [GOLD[0], *GOLD[2:]]
    assert handled == [TEXTS[1]]


def test_a_model_that_cannot_be_loaded_is_looked_for_once_a_batch(tmp_path: Path) -> None:
    nlp = make_nlp(tmp_path / "nowhere")
    handled: list[tuple[int, type[Exception]]] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handled.append((len(docs), type(err))))
    assert list(nlp.pipe(TEXTS, batch_size=3)) == []
    assert handled == [(3, FileNotFoundError), (2, FileNotFoundError)]


def test_an_error_of_the_stream_is_not_the_components(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    nlp.set_error_handler(lambda name, pipe, docs, err: None)

    def stream() -> Iterator[Doc]:
        yield nlp.make_doc(TEXTS[0])
        raise BrokenError("upstream")

    with pytest.raises(BrokenError, match="upstream"):
        list(get_craft_ner(nlp).pipe(stream(), batch_size=1))


# Memory


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
    ids=["GPU", "CPU", "Python"],
)
def test_out_of_memory_halves_the_batch(
    trained_model: Path, error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_nlp(trained_model)
    shim = get_shim(get_craft_ner(nlp).model)
    predict = shim.predict
    sizes: list[int] = []

    def predict_two_at_most(inputs: ArgsKwargs) -> torch.Tensor:
        _, lengths = inputs.args
        sizes.append(len(lengths))
        if sizes[-1] > 2:
            raise error
        return predict(inputs)

    monkeypatch.setattr(shim, "predict", predict_two_at_most)
    assert [read_ents(doc) for doc in nlp.pipe(TEXTS * 2)] == GOLD * 2
    assert sizes == [10, 5, 2, 3, 1, 2, 5, 2, 3, 1, 2]
    assert caplog.messages[0] == "out of memory with 10 windows at once: halved; lower batch_tokens"


def test_a_window_too_large_for_the_memory_fails_alone(
    trained_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_nlp(trained_model)
    shim = get_shim(get_craft_ner(nlp).model)
    predict = shim.predict

    def predict_short_windows(inputs: ArgsKwargs) -> torch.Tensor:
        _, lengths = inputs.args
        if max(lengths) > 50:
            raise torch.OutOfMemoryError("too long")
        return predict(inputs)

    monkeypatch.setattr(shim, "predict", predict_short_windows)
    handled: list[str] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handled.append(f"{len(docs)} {err}"))
    long_text = " ".join(["mouse"] * 60)
    assert [read_ents(doc) for doc in nlp.pipe([*TEXTS, long_text, *TEXTS])] == GOLD * 2
    assert handled == ["1 too long"]


def test_other_runtime_errors_do_not_halve_the_batch(
    trained_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_nlp(trained_model)
    component = get_craft_ner(nlp)
    assert component.scheme
    calls: list[int] = []

    def fail(inputs: ArgsKwargs) -> torch.Tensor:
        _, lengths = inputs.args
        calls.append(len(lengths))
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(get_shim(component.model), "predict", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        component.predict([nlp.make_doc(text) for text in TEXTS])
    assert calls == [5]
