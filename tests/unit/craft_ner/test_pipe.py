"""Documents of all lengths, alone, in batches and in worker processes."""

import json
from pathlib import Path

import numpy as np
import pytest
from processes import run_program
from tiny_models import make_tiny_model
from tiny_pipelines import GOLD, TEXTS, get_craft_ner, make_nlp, read_ents


@pytest.mark.parametrize(("text", "n_tokens"), [("", 0), (" ", 1), ("\n\n \t", 2), ("a", 1), ("−", 1)])
def test_short_and_blank_texts(tiny_model: Path, text: str, n_tokens: int) -> None:
    nlp = make_nlp(tiny_model)
    doc = nlp(text)
    assert doc.text == text
    assert len(doc.spans["craft_ner"]) == len(doc.ents) <= n_tokens
    [words] = get_craft_ner(nlp).model.predict([doc])
    assert words.chars.tolist() == ([[0, 1]] if text.strip() else [])
    assert words.logits.shape == (len(words.chars), 13)


def test_empty_documents_among_others(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    docs = list(nlp.pipe(["", TEXTS[0], "  ", TEXTS[1], ""]))
    assert [read_ents(doc) for doc in docs] == [[], GOLD[0], [], GOLD[1], []]


@pytest.mark.parametrize("lang", ["en", "es", "xx"])
def test_languages(trained_model: Path, lang: str) -> None:
    assert read_ents(make_nlp(trained_model, lang)(TEXTS[0])) == GOLD[0]


def test_long_document_is_read_whole(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    doc = nlp(" ".join(["yeast receptor was expressed in mouse"] * 500))
    [words] = get_craft_ner(nlp).model.predict([doc])
    assert words.n_uncovered == 0
    assert words.chars.tolist() == [[token.idx, token.idx + len(token)] for token in doc]
    assert len(words.chars) == 3000
    assert np.isfinite(words.logits).all()


def test_a_span_longer_than_the_encoder_is_read_whole(tmp_path: Path) -> None:
    nlp = make_nlp(make_tiny_model(tmp_path / "short", max_positions=16))
    doc = nlp(" ".join(["mouse"] * 300))
    [words] = get_craft_ner(nlp).model.predict([doc])
    assert words.n_uncovered == 0
    assert words.chars.tolist() == [[6 * i, 6 * i + 5] for i in range(300)]


def test_pipe_keeps_order_and_equals_single_calls(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    texts = TEXTS * 3
    single = [nlp(text).to_json() for text in texts]
    piped = [doc.to_json() for doc in nlp.pipe(texts, batch_size=4)]
    assert [doc["text"] for doc in piped] == texts
    assert [doc["ents"] for doc in piped] == [doc["ents"] for doc in single]
    assert [read_ents(doc) for doc in nlp.pipe(texts, batch_size=2)] == GOLD * 3


def test_two_processes_after_a_call_in_the_parent(trained_pipeline: Path) -> None:
    options = "--n-process 2 --batch-size 2".split()
    done = run_program("find_entities.py", trained_pipeline, *TEXTS * 2, *options, timeout=100)
    piped = json.loads(done.stdout)["piped"]
    assert [[(text, label) for _, _, text, label in ents] for ents in piped] == GOLD * 2
