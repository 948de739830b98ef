"""The component beside others: what stands before it and after it in a pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.lookups import Lookups
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from tiny_pipelines import TWO_SENTENCES, add_craft_ner, find_char_ents, get_craft_ner, read_char_ents

from craftner_spacy.decoding import best_tags, log_softmax, read_entities
from craftner_spacy.model import get_shim
from craftner_spacy.types import Entity

pytestmark = pytest.mark.filterwarnings("ignore:.*do not fit the tokens")


def add_ruler(nlp: Language, text: str, **settings: object) -> None:
    ruler = nlp.add_pipe("entity_ruler", config=settings)
    ruler.add_patterns([{"label": "Mine", "pattern": text, "id": "rule"}])  # type: ignore[attr-defined]


@pytest.mark.parametrize("overwrite", [True, False])
def test_entity_ruler_before(model: Path, overwrite: bool) -> None:
    start, end, label = find_char_ents(model)[0]
    nlp = spacy.blank("en")
    add_ruler(nlp, TWO_SENTENCES[start:end])
    add_craft_ner(nlp, model, overwrite_ents=overwrite)
    doc = nlp(TWO_SENTENCES)
    assert (start, end, label if overwrite else "Mine") in read_char_ents(doc)
    assert doc.ents[0].ent_id_ == ("" if overwrite else "rule")
    assert [(s.start_char, s.end_char, s.label_) for s in doc.spans["craft_ner"]] == find_char_ents(model)


def test_entity_ruler_after(model: Path) -> None:
    start, end, _ = find_char_ents(model)[0]
    nlp = spacy.blank("en")
    add_craft_ner(nlp, model)
    add_ruler(nlp, TWO_SENTENCES[start:end], overwrite_ents=True)
    assert read_char_ents(nlp(TWO_SENTENCES)) == [(start, end, "Mine"), *find_char_ents(model)[1:]]


@pytest.mark.parametrize("mode", ["expand", "split"])
def test_merge_entities_after(model: Path, mode: str) -> None:
    nlp = spacy.blank("en")
    add_craft_ner(nlp, model, alignment_mode=mode)
    expected = read_char_ents(nlp(TWO_SENTENCES))
    nlp.add_pipe("merge_entities")
    doc = nlp(TWO_SENTENCES)
    assert doc.text == TWO_SENTENCES
    assert read_char_ents(doc) == expected
    assert all(len(ent) == 1 for ent in doc.ents)


@pytest.mark.parametrize("mode", ["expand", "split"])
def test_sentencizer_and_spans_of_sentences(model: Path, mode: str) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    getter = {"@span_getters": "spacy-transformers.sent_spans.v1"}
    config = {"name": str(model), "precision": "fp32", "get_spans": getter}
    nlp.add_pipe("craft_ner", config={"model": config, "alignment_mode": mode})
    doc = nlp(TWO_SENTENCES)
    assert [sent.text for sent in doc.sents] == [TWO_SENTENCES[:31], TWO_SENTENCES[32:]]
    # Each sentence is read alone: the logits of its words are those of a document that is the sentence.
    pipe = get_craft_ner(nlp)
    [whole] = pipe.model.predict([doc])
    parts = pipe.model.predict([nlp(TWO_SENTENCES[:31]), nlp(TWO_SENTENCES[32:])])
    assert whole.chars.tolist() == [*parts[0].chars.tolist(), *(parts[1].chars + 32).tolist()]
    logits = np.concatenate([part.logits for part in parts])
    np.testing.assert_allclose(whole.logits, logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("gap", [0, 1])
def test_no_entity_reaches_from_one_span_to_another(model: Path, gap: int) -> None:
    nlp = spacy.blank("en")
    pipe = add_craft_ner(nlp, model)
    inside = [i for i, tag in enumerate(pipe.scheme.tags) if tag.startswith("I-")]
    get_shim(pipe.model).network.classifier.bias.data[inside] += 2.0
    doc = nlp.make_doc(TWO_SENTENCES)
    n_crossing = 0
    for cut in range(1, len(doc) - gap):
        first, second = doc[:cut], doc[cut + gap :]
        parts = pipe.predict([nlp.make_doc(first.text), nlp.make_doc(second.text)])
        shift = second.start_char
        expected = [*parts[0], *(e._replace(start=e.start + shift, end=e.end + shift) for e in parts[1])]
        pipe.model.attrs["get_spans"] = lambda docs, spans=[first, second]: [spans for _ in docs]
        [words] = pipe.model.predict([doc])
        [entities] = pipe.predict([doc])
        assert [e[:3] for e in entities] == [e[:3] for e in expected]
        np.testing.assert_allclose([e.score for e in entities], [e.score for e in expected], rtol=1e-3)
        pipe.model.attrs["get_spans"] = lambda docs: [[doc[:]] for doc in docs]
        log_probs = log_softmax(words.logits)
        joined = read_entities(best_tags(log_probs, pipe.scheme), log_probs, pipe.scheme)
        n_crossing += any(words.chars[e.start, 0] < shift < words.chars[e.end - 1, 1] for e in joined)
    assert n_crossing, "one tag sequence for all words would join some entities over the border"


def test_spans_of_sentences_without_sentences_go_to_the_handler(model: Path) -> None:
    nlp = spacy.blank("en")
    getter = {"@span_getters": "spacy-transformers.sent_spans.v1"}
    nlp.add_pipe("craft_ner", config={"model": {"name": str(model), "get_spans": getter}})
    with pytest.raises(ValueError, match="E030"):
        nlp(TWO_SENTENCES)
    handled: list[str] = []
    nlp.set_error_handler(lambda name, pipe, docs, err: handled.extend(doc.text for doc in docs))
    assert list(nlp.pipe([TWO_SENTENCES])) == []
    assert handled == [TWO_SENTENCES]


SENTENCES = [
    ("The mouse was in the blood .", "DT NN VBD IN DT NN .", [1, 2, 2, 2, 5, 3, 2]),
    ("Zebrafish were not expressed .", "NN VBD RB VBN .", [3, 3, 3, 3, 3]),
    ("The stem cells bind water .", "DT NN NNS VBP NN .", [2, 2, 3, 3, 3, 3]),
]
DEPS = {"DT": "det", "NN": "nsubj", "NNS": "nsubj", "IN": "prep", "RB": "neg", ".": "punct"}


@pytest.fixture(scope="module")
def parsing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pipeline with the components of en_core_web_sm, trained on three sentences."""
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
    theirs = read_char_ents(before)
    assert theirs
    nlp = spacy.load(parsing)
    config = {"model": {"name": str(model), "precision": "fp32"}, "overwrite_ents": overwrite}
    nlp.add_pipe("craft_ner", config={**config, "alignment_mode": "strict"}, **place)
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        doc, other = pipeline.pipe([LONG, TWO_SENTENCES])
        assert linguistics(doc) == linguistics(before)
        assert other.text == TWO_SENTENCES
        ours = [(s.start_char, s.end_char, s.label_) for s in doc.spans["craft_ner"]]
        assert ours
        winners, losers = (theirs, ours) if place == {"after": "ner"} and not overwrite else (ours, theirs)
        taken = {i for start, end, _ in winners for i in range(start, end)}
        kept = [ent for ent in losers if taken.isdisjoint(range(ent[0], ent[1]))]
        if place == {"after": "ner"}:
            assert read_char_ents(doc) == sorted([*winners, *kept])
            assert len(kept) < len(losers), "some entities conflict"
        else:
            # spaCy's ner keeps the entities that are set, and adds its own.
            assert set(ours) <= set(read_char_ents(doc))


def test_tokens_are_split_in_a_parsed_document(parsing: Path, model: Path) -> None:
    before = spacy.load(parsing)(LONG)
    nlp = spacy.load(parsing)
    pipe = add_craft_ner(nlp, model, alignment_mode="split", overwrite_ents=False)
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
