"""The component among others: what stands before and behind it, twice in one pipeline, saved and sent."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from hub import run_python
from spacy.language import Language
from spacy.lookups import Lookups
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, fix_random_seed
from tiny_models import make_tiny_model

from craftner_spacy.alignment import Entity
from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.decoding import best_tags, log_softmax, read_entities
from craftner_spacy.model import shim_of

TEXT = "The mouse kinase of stem cells. Sox9-/- mice were in the blood of zebrafish."
Found = list[tuple[int, int, str]]


pytestmark = pytest.mark.filterwarnings("ignore:.*do not fit the tokens")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that finds several entities in TEXT, with gaps between them."""
    return make_tiny_model(tmp_path_factory.mktemp("model"), seed=4)


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("other"), seed=9)


def add(nlp: Language, model: Path, name: str = "craft_ner", **settings: object) -> CraftNER:
    config = {"model": {"name": str(model), "precision": "fp32"}, **settings}
    pipe = nlp.add_pipe("craft_ner", name=name, config=config)
    assert isinstance(pipe, CraftNER)
    return pipe


def found(doc: Doc) -> Found:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def alone(model: Path) -> Found:
    nlp = spacy.blank("en")
    add(nlp, model)
    ents = found(nlp(TEXT))
    assert len(ents) > 2
    return ents


def add_ruler(nlp: Language, text: str, **settings: object) -> None:
    ruler = nlp.add_pipe("entity_ruler", config=settings)
    ruler.add_patterns([{"label": "Mine", "pattern": text, "id": "rule"}])  # type: ignore[attr-defined]


@pytest.mark.parametrize("overwrite", [True, False])
def test_entity_ruler_before(model: Path, overwrite: bool) -> None:
    start, end, label = alone(model)[0]
    nlp = spacy.blank("en")
    add_ruler(nlp, TEXT[start:end])
    add(nlp, model, overwrite_ents=overwrite)
    doc = nlp(TEXT)
    assert (start, end, label if overwrite else "Mine") in found(doc)
    assert doc.ents[0].ent_id_ == ("" if overwrite else "rule")
    assert [(s.start_char, s.end_char, s.label_) for s in doc.spans["craft_ner"]] == alone(model)


def test_entity_ruler_behind(model: Path) -> None:
    start, end, _ = alone(model)[0]
    nlp = spacy.blank("en")
    add(nlp, model)
    add_ruler(nlp, TEXT[start:end], overwrite_ents=True)
    assert found(nlp(TEXT)) == [(start, end, "Mine"), *alone(model)[1:]]


@pytest.mark.parametrize("mode", ["expand", "split"])
def test_merge_entities_behind(model: Path, mode: str) -> None:
    nlp = spacy.blank("en")
    add(nlp, model, alignment_mode=mode)
    expected = found(nlp(TEXT))
    nlp.add_pipe("merge_entities")
    doc = nlp(TEXT)
    assert doc.text == TEXT
    assert found(doc) == expected
    assert all(len(ent) == 1 for ent in doc.ents)


@pytest.mark.parametrize("mode", ["expand", "split"])
def test_sentencizer_and_spans_of_sentences(model: Path, mode: str) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    getter = {"@span_getters": "spacy-transformers.sent_spans.v1"}
    config = {"name": str(model), "precision": "fp32", "get_spans": getter}
    nlp.add_pipe("craft_ner", config={"model": config, "alignment_mode": mode})
    doc = nlp(TEXT)
    assert [sent.text for sent in doc.sents] == [TEXT[:31], TEXT[32:]]
    # Each sentence is read alone: its words' scores are those of a document that is the sentence.
    pipe = nlp.get_pipe("craft_ner")
    assert isinstance(pipe, CraftNER)
    [whole] = pipe.model.predict([doc])
    parts = pipe.model.predict([nlp(TEXT[:31]), nlp(TEXT[32:])])
    assert whole.chars.tolist() == [*parts[0].chars.tolist(), *(parts[1].chars + 32).tolist()]
    logits = np.concatenate([part.logits for part in parts])
    np.testing.assert_allclose(whole.logits, logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("gap", [0, 1])
def test_no_entity_reaches_from_one_span_to_another(model: Path, gap: int) -> None:
    nlp = spacy.blank("en")
    pipe = add(nlp, model)
    goes_on = [i for i, tag in enumerate(pipe.scheme.tags) if tag.startswith("I-")]
    shim_of(pipe.model)._hfmodel.transformer.classifier.bias.data[goes_on] += 2.0
    doc = nlp.make_doc(TEXT)
    n_crossing = 0
    for cut in range(1, len(doc) - gap):
        first, second = doc[:cut], doc[cut + gap :]
        parts = pipe.predict([nlp.make_doc(first.text), nlp.make_doc(second.text)])
        shift = second.start_char
        expected = [*parts[0], *(e._replace(start=e.start + shift, end=e.end + shift) for e in parts[1])]
        pipe.model.attrs["get_spans"] = lambda docs, spans=[first, second]: [spans for _ in docs]
        [words] = pipe.model.predict([doc])
        [spans] = pipe.predict([doc])
        assert [e[:3] for e in spans] == [e[:3] for e in expected]
        np.testing.assert_allclose([e.score for e in spans], [e.score for e in expected], rtol=1e-3)
        pipe.model.attrs["get_spans"] = lambda docs: [[doc[:]] for doc in docs]
        rows = log_softmax(words.logits)
        joined = read_entities(best_tags(rows, pipe.scheme), rows, pipe.scheme)
        n_crossing += any(words.chars[e.start, 0] < shift < words.chars[e.end - 1, 1] for e in joined)
    assert n_crossing, "tags of all words in one row would join some entities over the border"


def test_spans_of_sentences_without_sentences_go_to_the_handler(model: Path) -> None:
    nlp = spacy.blank("en")
    getter = {"@span_getters": "spacy-transformers.sent_spans.v1"}
    nlp.add_pipe("craft_ner", config={"model": {"name": str(model), "get_spans": getter}})
    with pytest.raises(ValueError, match="E030"):
        nlp(TEXT)
    handed: list[str] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handed.extend(doc.text for doc in docs))
    assert list(nlp.pipe([TEXT])) == []
    assert handed == [TEXT]


SENTENCES = [
    ("The mouse was in the blood .", "DT NN VBD IN DT NN .", [1, 2, 2, 2, 5, 3, 2]),
    ("Zebrafish were not expressed .", "NN VBD RB VBN .", [3, 3, 3, 3, 3]),
    ("The stem cells bind water .", "DT NN NNS VBP NN .", [2, 2, 3, 3, 3, 3]),
]
DEPS = {"DT": "det", "NN": "nsubj", "NNS": "nsubj", "IN": "prep", "RB": "neg", ".": "punct"}


@pytest.fixture(scope="module")
def parsing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with the parts of en_core_web_sm, tiny, that has learned three sentences."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": {"width": 24, "depth": 1, "embed_size": 500}})
    listener = {"model": {"tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 24}}}
    nlp.add_pipe("tagger", config=listener)
    nlp.add_pipe("parser", config={**listener, "min_action_freq": 1})
    ruler = nlp.add_pipe("attribute_ruler")
    lemmatizer = nlp.add_pipe("lemmatizer", config={"mode": "lookup"})
    nlp.add_pipe("ner", config=listener)
    gold: dict[str, list[Any]] = {key: [] for key in ("words", "tags", "heads", "deps", "entities")}
    for text, tags, heads in SENTENCES:
        first, words = len(gold["words"]), text.split()
        gold["words"] += words
        gold["tags"] += tags.split()
        gold["heads"] += [first + head for head in heads]
        gold["deps"] += [
            "ROOT" if head == i else DEPS.get(tag, "dep")
            for i, (tag, head) in enumerate(zip(tags.split(), heads, strict=True))
        ]
        gold["entities"] += ["U-ANIMAL" if word in ("mouse", "Zebrafish") else "O" for word in words]
    examples = [Example.from_dict(Doc(nlp.vocab, words=gold["words"]), gold)]
    lookups = Lookups()
    lookups.add_table("lemma_lookup", {"was": "be", "were": "be", "cells": "cell"})
    lemmatizer.initialize(lookups=lookups)  # type: ignore[attr-defined]
    with nlp.select_pipes(disable="lemmatizer"):
        fix_random_seed(0)
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = 0.005
        for _ in range(100):
            nlp.update(examples, sgd=optimizer)
    # Initializing empties it.
    ruler.add([[{"TAG": "NN"}]], {"POS": "NOUN", "MORPH": "Number=Sing"})  # type: ignore[attr-defined]
    path = tmp_path_factory.mktemp("parsing") / "pipeline"
    nlp.to_disk(path)
    return path


def linguistics(doc: Doc) -> list[tuple[str, str, str, str, str, str, bool | None]]:
    return [(t.tag_, t.pos_, str(t.morph), t.lemma_, t.dep_, t.head.text, t.is_sent_start) for t in doc]


LONG = " ".join(text for text, _, _ in SENTENCES)


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("place", [{"before": "ner"}, {"after": "ner"}, {"first": True}])
def test_in_a_pipeline_that_parses(
    parsing: Path, model: Path, place: dict[str, Any], overwrite: bool, tmp_path: Path
) -> None:
    plain = spacy.load(parsing)
    before = plain(LONG)
    assert len(list(before.sents)) >= len(SENTENCES)
    theirs = found(before)
    assert theirs
    nlp = spacy.load(parsing)
    config = {"model": {"name": str(model), "precision": "fp32"}, "overwrite_ents": overwrite}
    nlp.add_pipe("craft_ner", config={**config, "alignment_mode": "strict"}, **place)
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        doc, other = pipeline.pipe([LONG, TEXT])
        assert linguistics(doc) == linguistics(before)
        assert other.text == TEXT
        ours = [(s.start_char, s.end_char, s.label_) for s in doc.spans["craft_ner"]]
        assert ours
        winners, losers = (theirs, ours) if place == {"after": "ner"} and not overwrite else (ours, theirs)
        taken = {i for start, end, _ in winners for i in range(start, end)}
        kept = [ent for ent in losers if taken.isdisjoint(range(ent[0], ent[1]))]
        if place == {"after": "ner"}:
            assert found(doc) == sorted([*winners, *kept])
            assert len(kept) < len(losers), "some entities conflict"
        else:
            # spaCy's ner keeps what it finds set, and adds its own.
            assert set(ours) <= set(found(doc))


def test_tokens_are_split_in_a_parsed_document(parsing: Path, model: Path) -> None:
    before = spacy.load(parsing)(LONG)
    nlp = spacy.load(parsing)
    pipe = add(nlp, model, alignment_mode="split", overwrite_ents=False)
    doc = spacy.load(parsing)(LONG)
    start = LONG.index("Zebrafish")
    pipe.set_annotations(
        [doc], [[Entity(start, start + 5, "Taxon", 0.9), Entity(start + 5, start + 9, "Cell", 0.8)]]
    )
    assert [token.text for token in doc[7:9]] == ["Zebra", "fish"]
    assert (doc[7].head.text, doc[8].head.text, doc[8].dep_) == (before[7].head.text, "Zebra", "subtok")
    assert [token.tag_ for token in doc[7:9]] == [before[7].tag_] * 2
    assert [sent.text for sent in doc.sents] == [sent.text for sent in before.sents]
    rest = [i for i in range(len(doc)) if i not in (7, 8)]
    assert [linguistics(doc)[i] for i in rest if doc[i].head.i != 7] == [
        row for i, row in enumerate(linguistics(before)) if i != 7 and before[i].head.i != 7
    ]


def test_select_and_replace(model: Path, other_model: Path) -> None:
    nlp = spacy.blank("en")
    pipe = add(nlp, model)
    with nlp.select_pipes(disable="craft_ner"):
        assert found(nlp(TEXT)) == []
    assert found(nlp(TEXT)) == alone(model)
    config = {"model": {"name": str(other_model), "precision": "fp32"}}
    nlp.replace_pipe("craft_ner", "craft_ner", config=config)
    assert nlp.get_pipe("craft_ner") is not pipe
    assert found(nlp(TEXT)) == alone(other_model)


def test_two_in_one_pipeline(model: Path, other_model: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    add(nlp, model, "first", spans_key="one")
    add(nlp, other_model, "second", spans_key="two", alignment_mode="split", overwrite_ents=False)
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path), load_model_from_config(nlp.config)):
        doc = pipeline(TEXT)
        spans = {key: [(s.start_char, s.end_char, s.label_) for s in doc.spans[key]] for key in doc.spans}
        assert list(spans) == ["one", "two"]
        assert spans["one"] == alone(model)
        assert [list(offsets) for offsets in doc.spans["two"].attrs["offsets"]] == [
            [start, end] for start, end, _ in spans["two"]
        ]
        assert set(spans["one"]) <= set(found(doc)) <= {*spans["one"], *spans["two"]}
    only = spacy.load(tmp_path, exclude=["first"])
    assert only.pipe_names == ["second"]
    assert list(only(TEXT).spans) == ["two"]


def test_config_round_trip(model: Path) -> None:
    nlp = spacy.blank("en")
    settings = {
        "alignment_mode": "contract",
        "overwrite_ents": False,
        "spans_key": "bio",
        "threshold": 0.25,
        "label_map": {"Gene": "Part"},
        "batch_tokens": 77,
    }
    add(nlp, model, **settings)
    again = load_model_from_config(nlp.config.from_str(nlp.config.to_str()))
    assert again.config["components"] == nlp.config["components"]
    pipe = again.get_pipe("craft_ner")
    assert isinstance(pipe, CraftNER)
    assert {key: getattr(pipe, key) for key in settings if key != "batch_tokens"} == {
        key: value for key, value in settings.items() if key != "batch_tokens"
    }
    assert pipe.model.attrs["batch_tokens"] == 77


def test_exclude(model: Path, other_model: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    pipe = add(nlp, model)
    nlp.to_disk(tmp_path / "all")
    pipe.to_disk(tmp_path / "without", exclude=["model"])
    assert not (tmp_path / "without" / "model").exists()
    assert spacy.load(tmp_path / "all", exclude=["craft_ner"]).pipe_names == []
    other = spacy.blank("en")
    theirs = add(other, other_model)
    theirs.from_disk(tmp_path / "all" / "craft_ner", exclude=["model"])
    theirs.from_bytes(pipe.to_bytes(), exclude=["model"])
    assert found(other(TEXT)) == alone(other_model)


def test_frozen_in_training(model: Path) -> None:
    nlp = spacy.blank("en")
    pipe = add(nlp, model)
    nlp.add_pipe("textcat")
    example = Example.from_dict(nlp.make_doc(TEXT), {"cats": {"A": 1.0, "B": 0.0}})
    nlp.initialize(lambda: [example])
    before = shim_of(pipe.model)._hfmodel.transformer.state_dict()["classifier.weight"].clone()
    losses = nlp.update([example], exclude=["craft_ner"], annotates=["craft_ner"], sgd=Adam(0.1))
    assert set(losses) == {"textcat"}
    assert (shim_of(pipe.model)._hfmodel.transformer.state_dict()["classifier.weight"] == before).all()
    assert found(nlp(TEXT)) == alone(model)


@pytest.mark.parametrize("called_before", [True, False])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pickle(model: Path, precision: str, called_before: bool) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "craft_ner", config={"threshold": 0.01, "model": {"name": str(model), "precision": precision}}
    )
    if called_before:
        nlp(TEXT)
    again = pickle.loads(pickle.dumps(nlp))
    assert found(again(TEXT)) == found(nlp(TEXT))
    pipe = again.get_pipe("craft_ner")
    assert isinstance(pipe, CraftNER)
    assert pipe.threshold == 0.01


@pytest.mark.parametrize(("method", "precision"), [("spawn", "fp32"), ("spawn", "bf16"), ("fork", "bf16")])
def test_processes_by(method: str, precision: str, model: Path) -> None:
    code = f"""
import multiprocessing
import spacy
if __name__ == "__main__":
    multiprocessing.set_start_method({method!r})
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={{"model": {{"name": {str(model)!r}, "precision": {precision!r}}}}})
    [one] = [[(e.start_char, e.end_char, e.label_) for e in nlp({TEXT!r}).ents]]
    docs = list(nlp.pipe([{TEXT!r}] * 4, n_process=2, batch_size=1))
    assert [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in docs] == [one] * 4
    print(one == {alone(model)!r})
"""
    script = model.parent / f"{method}.py"
    script.write_text(code, encoding="utf8")
    # spawn imports the main module anew, so it has to be a file.
    run = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    assert run_python(run, dict(os.environ), timeout=200).stdout == "True\n"
