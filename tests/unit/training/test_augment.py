"""augment.py: made-up sentences and names only."""

import pickle
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from confection import Config
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, Token
from spacy.training import Example
from spacy.util import registry
from tiny_corpus import iob, write_docs
from tiny_ontology import OBO_NAMES, write_ontology

from craftner_spacy.training.augment import EntityReplacement, make_entity_replacement, replace_entities

NLP = spacy.blank("en")


def make_doc(words: str, tags: str, **settings: object) -> Doc:
    """A Doc of words and IOB tags, both separated by spaces; `-` is a missing tag."""
    ents = ["" if tag == "-" else tag for tag in tags.split()]
    return Doc(NLP.vocab, words=words.split(), ents=ents, **settings)  # type: ignore[arg-type]


def example_of(doc: Doc) -> Example:
    return Example(NLP.make_doc(doc.text), doc)


def augmented(augmenter: EntityReplacement, doc: Doc) -> Doc:
    [example] = augmenter(NLP, example_of(doc))
    return example.reference


def ents(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_the_name_replaces_the_entity_in_text_and_tokens() -> None:
    doc = make_doc("The mice have mast cells .", "O B-Taxon O B-Cell I-Cell O")
    names = {"Taxon": ["Mus (house-mouse)"], "Cell": ["β cell"]}
    [example] = EntityReplacement(names, level=1.0)(NLP, example_of(doc))
    assert example.reference.text == "The Mus (house-mouse) have β cell . "
    assert iob(example.reference) == [
        ("The", "O"),
        ("Mus", "B-Taxon"),
        ("(", "I-Taxon"),
        ("house", "I-Taxon"),
        ("-", "I-Taxon"),
        ("mouse", "I-Taxon"),
        (")", "I-Taxon"),
        ("have", "O"),
        ("β", "B-Cell"),
        ("cell", "I-Cell"),
        (".", "O"),
    ]
    assert example.predicted.text == example.reference.text
    assert not example.predicted.ents
    assert example.get_aligned_ner() == [
        "O",
        "B-Taxon",
        *["I-Taxon"] * 4,
        "L-Taxon",
        "O",
        "B-Cell",
        "L-Cell",
        "O",
    ]
    assert doc.text == "The mice have mast cells . "


def test_white_space_around_an_entity_stays() -> None:
    words = ["\n", "mice", "\n\n", "and", "  ", "rat", "s"]
    spaces = [False, False, False, True, False, False, False]
    doc = Doc(NLP.vocab, words=words, spaces=spaces, ents=["O", "B-Taxon", "O", "O", "O", "B-Taxon", "O"])
    new = augmented(EntityReplacement({"Taxon": ["big cat"]}, level=1.0), doc)
    assert new.text == "\nbig cat\n\nand   big cats"
    assert [token.text for token in new] == ["\n", "big", "cat", "\n\n", "and", "  ", "big", "cat", "s"]


def test_an_entity_at_the_start_at_the_end_or_of_the_whole_document_is_replaced() -> None:
    augmenter = EntityReplacement({"Taxon": ["big cat"]}, level=1.0)
    for words, tags, text in (
        ("mice", "B-Taxon", "big cat"),
        ("mice run", "B-Taxon O", "big cat run"),
        ("see mice", "O B-Taxon", "see big cat"),
    ):
        doc = make_doc(words, tags, spaces=[True] * (len(words.split()) - 1) + [False])
        new = augmented(augmenter, doc)
        assert new.text == text
        assert [(ent.text, ent.label_) for ent in new.ents] == [("big cat", "Taxon")]


def test_adjacent_entities_stay_separate() -> None:
    doc = make_doc("mice rats mast cells", "B-Taxon B-Taxon B-Cell I-Cell")
    new = replace_entities(doc, {0: "big cat", 2: "neuron"}, NLP.tokenizer)
    assert iob(new) == [("big", "B-Taxon"), ("cat", "I-Taxon"), ("rats", "B-Taxon"), ("neuron", "B-Cell")]
    assert ents(new) == [("big cat", "Taxon"), ("rats", "Taxon"), ("neuron", "Cell")]


def test_missing_and_blocked_tags_stay() -> None:
    doc = make_doc("a mice b c d", "- B-Taxon - O O")
    doc.set_ents([], blocked=[doc[3:4]], default="unmodified")
    new = replace_entities(doc, {0: "big cat"}, NLP.tokenizer)
    assert [(token.ent_iob, token.ent_type_) for token in new] == [
        (0, ""),
        (3, "Taxon"),
        (1, "Taxon"),
        (0, ""),
        (3, ""),
        (2, ""),
    ]


def test_sentence_starts_stay_and_a_name_has_none_inside() -> None:
    augmenter = EntityReplacement({"Taxon": ["big wild cat"]}, level=1.0)
    doc = make_doc(
        "Mice ran . Rats too", "B-Taxon O O B-Taxon O", sent_starts=[True, False, False, True, False]
    )
    assert [sent.text.strip() for sent in augmented(augmenter, doc).sents] == [
        "big wild cat ran .",
        "big wild cat too",
    ]
    cut = make_doc("a fat mice b", "O B-Taxon I-Taxon O", sent_starts=[True, False, True, True])
    assert [sent.text.strip() for sent in augmented(augmenter, cut).sents] == ["a big wild cat", "b"]


def test_unknown_sentence_starts_stay_unknown() -> None:
    augmenter = EntityReplacement({"Taxon": ["big wild cat"]}, level=1.0)
    new = augmented(augmenter, make_doc("see mice run", "O B-Taxon O"))
    assert not new.has_annotation("SENT_START")
    partly = make_doc("see mice run", "O B-Taxon O", sent_starts=[True, None, True])
    starts = [token.is_sent_start for token in augmented(augmenter, partly)]
    assert starts == [True, None, None, None, True]


def test_ids_stay_except_those_of_a_replaced_entity() -> None:
    doc = make_doc("mice and rats", "O O O")
    doc.ents = tuple(Span(doc, i, i + 1, label="Taxon", kb_id=f"K{i}", span_id=f"I{i}") for i in (0, 2))
    new = replace_entities(doc, {0: "big cat"}, NLP.tokenizer)
    assert [(ent.text, ent.kb_id_, ent.id_) for ent in new.ents] == [
        ("big cat", "", ""),
        ("rats", "K2", "I2"),
    ]


@pytest.fixture
def extensions() -> object:
    for kind in (Doc, Span, Token):
        kind.set_extension("note", default=None)
    yield None
    for kind in (Doc, Span, Token):
        kind.remove_extension("note")


@pytest.mark.usefixtures("extensions")
def test_user_data_and_categories_stay() -> None:
    doc = make_doc("old mice eat fat rats now", "O B-Taxon O B-Taxon I-Taxon O")
    doc.user_data["pmid"] = "7"
    doc.cats = {"biology": 1.0}
    doc._.note = "doc"
    for token in doc:
        token._.note = f"token {token.text}"
    spans = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (2, 5), (3, 5), (4, 6), (5, 6)]
    for start, end in spans:
        doc[start:end]._.note = f"span {start}:{end}"
    new = replace_entities(doc, {1: "big wild cat"}, NLP.tokenizer)
    assert new.text == "old mice eat big wild cat now "
    assert (new.user_data["pmid"], new._.note, new.cats) == ("7", "doc", {"biology": 1.0})
    assert [token._.note for token in new] == [
        "token old",
        "token mice",
        "token eat",
        None,
        None,
        None,
        "token now",
    ]
    moved = [new[start:end]._.note for start, end in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 6), (6, 7)]]
    assert moved == ["span 0:1", "span 0:2", "span 1:2", "span 1:3", "span 2:5", "span 5:6"]
    # Those of the replaced entity itself, and of the two spans that begin or end inside it, are not kept.
    keys: list[Any] = list(new.user_data)
    kept = [key for key in keys if isinstance(key, tuple) and key[3] is not None]
    assert len(kept) == len(spans) - 3


def test_nothing_to_replace_yields_the_same_object() -> None:
    augmenter = EntityReplacement({"Taxon": ["mice"]}, level=1.0)
    for words, tags in (
        ("no name here", "O O O"),
        ("unknown all", "- -"),
        ("mast cells", "B-Cell I-Cell"),
        ("mice", "B-Taxon"),
        ("", ""),
    ):
        example = example_of(make_doc(words, tags))
        assert [new is example for new in augmenter(NLP, example)] == [True]
    never = EntityReplacement({"Taxon": ["rats"]}, level=0.0)
    example = example_of(make_doc("mice", "B-Taxon"))
    assert [new is example for new in never(NLP, example)] == [True]


def test_an_entity_with_white_space_at_its_edge_stays() -> None:
    doc = Doc(
        NLP.vocab, words=["mice", "\n", "\n"], spaces=[False] * 3, ents=["B-Taxon", "I-Taxon", "B-Taxon"]
    )
    example = example_of(doc)
    assert list(EntityReplacement({"Taxon": ["rats"]}, level=1.0)(NLP, example)) == [example]


def test_an_entity_is_never_replaced_by_its_own_text() -> None:
    augmenter = EntityReplacement({"Cell": ["mast cell", "neuron"]}, level=1.0)
    words = ["mast", "\n", "cell"]
    doc = Doc(NLP.vocab, words=words, spaces=[False] * 3, ents=["B-Cell", "I-Cell", "I-Cell"])
    assert {augmented(augmenter, doc).text for _ in range(50)} == {"neuron"}


def test_keep_original_yields_both_or_an_unchanged_example_once() -> None:
    augmenter = EntityReplacement({"Taxon": ["rats"]}, level=1.0, keep_original=True)
    example = example_of(make_doc("see mice", "O B-Taxon"))
    first, second = augmenter(NLP, example)
    assert first is example
    assert second.reference.text == "see rats "
    plain = example_of(make_doc("see them", "O O"))
    assert list(augmenter(NLP, plain)) == [plain]


NAMES = {"Taxon": [f"cat {number}" for number in range(50)]}


def test_consistent_gives_entities_with_the_same_text_the_same_name_in_an_example() -> None:
    doc = make_doc("mice rats mice mice", "B-Taxon B-Taxon B-Taxon B-Taxon")
    doc.ents = (*doc.ents[:3], Span(doc, 3, 4, label="Cell"))
    names = NAMES | {"Cell": NAMES["Taxon"]}
    texts = [
        [text for text, _ in ents(augmented(EntityReplacement(names, 1.0, seed=seed), doc))]
        for seed in range(9)
    ]
    assert all(first == third for first, _, third, _ in texts)
    assert any(first != second for first, second, _, _ in texts)
    assert any(first != other for first, _, _, other in texts)
    half = EntityReplacement(names, 0.5)
    kept = {tuple(text == "mice" for text, _ in ents(augmented(half, doc))[0:3:2]) for _ in range(30)}
    assert kept == {(True, True), (False, False)}


def test_not_consistent_draws_for_each_entity() -> None:
    doc = make_doc("mice mice", "B-Taxon B-Taxon")
    drawn = [ents(augmented(EntityReplacement(NAMES, 1.0, consistent=False, seed=i), doc)) for i in range(9)]
    assert any(first != second for first, second in drawn)


@pytest.mark.parametrize("consistent", [True, False])
def test_the_share_of_replaced_entities_tends_to_level(consistent: bool) -> None:
    doc = make_doc("mice rats mice eat fleas", "B-Taxon B-Taxon B-Taxon O B-Taxon")
    augmenter = EntityReplacement(NAMES, level=0.2, consistent=consistent, seed=1)
    replaced = 0
    for _ in range(1000):
        replaced += sum(text.startswith("cat") for text, _ in ents(augmented(augmenter, doc)))
    assert replaced / 4000 == pytest.approx(0.2, abs=0.02)


def test_distinct_names_are_drawn_uniformly() -> None:
    augmenter = EntityReplacement({"Taxon": ["a", "b", "b", "b", " b", "c"]}, level=1.0)
    doc = make_doc("mice", "B-Taxon")
    counts = Counter(augmented(augmenter, doc).text.strip() for _ in range(1500))
    assert counts.keys() == {"a", "b", "c"}
    assert all(count == pytest.approx(500, abs=75) for count in counts.values())


def test_draws_are_seeded_and_do_not_use_the_global_random_state() -> None:
    doc = make_doc("mice and rats", "B-Taxon O B-Taxon")
    state, numpy_state = random.getstate(), str(np.random.get_state())

    def texts(augmenter: EntityReplacement) -> list[str]:
        return [augmented(augmenter, doc).text for _ in range(8)]

    first = texts(EntityReplacement(NAMES, 0.5, seed=3))
    random.seed(99)
    assert texts(EntityReplacement(NAMES, 0.5, seed=3)) == first
    assert texts(EntityReplacement(NAMES, 0.5, seed=4)) != first
    random.setstate(state)
    texts(EntityReplacement(NAMES, 0.5))
    assert (random.getstate(), str(np.random.get_state())) == (state, numpy_state)


def test_a_pickled_augmenter_continues_with_the_same_draws() -> None:
    doc = make_doc("mice and rats", "B-Taxon O B-Taxon")
    augmenter = EntityReplacement(NAMES, 0.5)
    augmented(augmenter, doc)
    copy = pickle.loads(pickle.dumps(augmenter))
    assert [augmented(copy, doc).text for _ in range(8)] == [augmented(augmenter, doc).text for _ in range(8)]


POOL = {"Taxon": ("big cat", "owl", "a"), "Cell": ("B-cell", "(odd) cell's", "β"), "Alone": ("x",)}


WORD = st.sampled_from(["a", "x", "β", "owl", "Pax6-null", "cells.", "(", "\n", "  ", "\u00a0"])


TAG = st.sampled_from(["", "O", *(f"{tag}-{label}" for tag in "BI" for label in (*POOL, "Other"))])


ROWS = st.lists(st.tuples(WORD, st.booleans(), TAG, st.sampled_from([True, False, None])), max_size=12)


def outside(doc: Doc) -> list[str]:
    """The text between the entities."""
    borders = [0, *(border for ent in doc.ents for border in (ent.start_char, ent.end_char)), len(doc.text)]
    return [doc.text[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True)]


@given(ROWS, st.sampled_from([0.3, 1.0]), st.booleans(), st.integers(0, 99))
def test_all_text_but_the_replaced_entities_stays(
    rows: list[tuple[str, bool, str, bool | None]], level: float, consistent: bool, seed: int
) -> None:
    previous, tags = "O", []
    for _, _, tag, _ in rows:
        follows = tag.startswith("I-") and previous[1:] == tag[1:]
        previous = tag if follows else tag.replace("I-", "B-")
        tags.append(previous)
    old = Doc(
        NLP.vocab,
        words=[word for word, *_ in rows],
        spaces=[space for _, space, *_ in rows],
        sent_starts=[start for *_, start in rows] or None,
        ents=tags,
    )
    new = augmented(EntityReplacement(POOL, level, consistent, seed), old)
    assert outside(new) == outside(old)
    assert len(new.ents) == len(old.ents)
    for before, after in zip(old.ents, new.ents, strict=True):
        assert after.label_ == before.label_
        assert after.text == before.text or after.text in POOL[before.label_]
        if level == 1.0 and before.text.strip() == before.text and before.label_ in ("Taxon", "Cell"):
            assert after.text != before.text
        assert [token.ent_iob for token in after] == [3] + [1] * (len(after) - 1)
        assert after[0].is_sent_start == before[0].is_sent_start or after.start == 0

    def others(doc: Doc) -> list[tuple[str, str, int, bool | None]]:
        inside = {token.i for ent in doc.ents for token in ent}
        rest = [token for token in doc if token.i not in inside]
        return [(token.text, token.whitespace_, token.ent_iob, token.is_sent_start) for token in rest]

    assert others(new) == others(old)


def test_names_come_from_the_ontology_or_else_from_the_split(tmp_path: Path, split: Path) -> None:
    ontology = write_ontology(tmp_path, ".obo.zip")
    augmenter = make_entity_replacement(path=split, ontologies={"Cell": ontology})
    assert augmenter.names == {"Cell": tuple(OBO_NAMES), "Taxon": ("mice", "rats")}
    only = make_entity_replacement(path=split, ontologies={"Cell": ontology}, labels=["Taxon"])
    assert only.names == {"Taxon": ("mice", "rats")}
    alone = make_entity_replacement(ontologies={"Cell": str(ontology)})
    assert alone.names == {"Cell": tuple(OBO_NAMES)}


def test_entities_of_other_labels_stay(split: Path) -> None:
    doc = make_doc("rats have B cells", "B-Taxon O B-Cell I-Cell")
    augmenter = make_entity_replacement(level=1.0, path=split, labels=["Cell"])
    assert ents(augmented(augmenter, doc)) == [("rats", "Taxon"), ("mast cell", "Cell")]


CONFIG = """
[corpus]
@readers = "spacy.Corpus.v1"
path = {corpus}
gold_preproc = false

[corpus.augmenter]
@augmenters = "craftner_spacy.entity_replacement.v1"
level = 1.0
path = {split}
labels = ["Taxon", "Cell"]
consistent = true
seed = 5
keep_original = {keep}

[corpus.augmenter.ontologies]
Cell = {ontology}
"""


@pytest.mark.parametrize(("keep", "count"), [("false", 1), ("true", 2)])
def test_the_augmenter_is_registered_and_takes_its_settings_from_a_config(
    tmp_path: Path, split: Path, keep: str, count: int
) -> None:
    corpus = write_docs(tmp_path / "c.spacy", make_doc("mice have B cells", "B-Taxon O B-Cell I-Cell"))
    ontology = write_ontology(tmp_path, ".obo.gz")
    paths = {
        name: f'"{path}"' for name, path in [("corpus", corpus), ("split", split), ("ontology", ontology)]
    }
    config = Config().from_str(CONFIG.format(keep=keep, **paths))
    examples = list(registry.resolve(config)["corpus"](NLP))
    assert len(examples) == count
    [taxon, cell] = examples[-1].reference.ents
    assert taxon.text == "rats"
    assert cell.text in OBO_NAMES


def test_settings_have_defaults_in_a_config(split: Path) -> None:
    block = {"@augmenters": "craftner_spacy.entity_replacement.v1", "path": str(split)}
    augmenter = registry.resolve({"augmenter": block})["augmenter"]
    assert (augmenter.level, augmenter.consistent, augmenter.keep_original) == (0.2, True, False)
    filled = registry.fill({"augmenter": block})["augmenter"]
    assert (filled["ontologies"], filled["labels"], filled["seed"]) == ({}, None, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": -0.1}, r"level = -0\.1: allowed are numbers from 0 to 1"),
        ({"level": 1.1}, r"level = 1\.1: allowed are numbers from 0 to 1"),
        ({"level": float("nan")}, r"level = nan: allowed are numbers from 0 to 1"),
        ({"level": True}, r"level = True: allowed are numbers from 0 to 1"),
        ({"level": "1"}, r"level = '1': allowed are numbers from 0 to 1"),
        ({"seed": 1.5}, r"seed = 1\.5: allowed are whole numbers"),
        ({"consistent": "no"}, r"consistent = 'no': allowed are true and false"),
        ({"keep_original": 1}, r"keep_original = 1: allowed are true and false"),
        ({"labels": "Cell"}, r"labels = 'Cell': allowed are a list of one or more labels, or null"),
        ({"labels": []}, r"labels = \[\]: allowed are a list of one or more labels, or null"),
        ({"labels": [7]}, r"labels = \[7\]: allowed are a list of one or more labels, or null"),
        ({"ontologies": ["x.obo"]}, r"ontologies = \['x\.obo'\]: allowed is a mapping"),
        ({"ontologies": {7: "x.obo"}}, r"ontologies: 7 = 'x\.obo': allowed are a label and the path"),
        ({"ontologies": {"": "x.obo"}}, r"ontologies: '' = 'x\.obo': allowed are a label and the path"),
        ({"ontologies": {"Cell": None}}, r"ontologies: 'Cell' = None: allowed are a label and the path"),
        (
            {"labels": ["Cell", "Gene", "Cel"]},
            r"no names to draw from for Cel, Gene; .* ontologies \(has: none\) .*split \(has: Cell, Taxon\)",
        ),
        ({"path": None}, r"no names to draw from for any label; .* path = None \(has: none\)"),
    ],
)
def test_wrong_settings_are_refused(split: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_entity_replacement(**({"path": split} | settings))  # type: ignore[arg-type]


def test_empty_names_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"names of 'Cell': a name has to have other characters than white space"
    ):
        EntityReplacement({"Cell": ["a", " "]})


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"path = .*nowhere\.spacy': there is no such file"):
        make_entity_replacement(path=tmp_path / "nowhere.spacy")
    with pytest.raises(FileNotFoundError, match=r"the folder has no \.spacy file"):
        make_entity_replacement(path=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"ontology = .*nowhere\.obo': there is no such file"):
        make_entity_replacement(ontologies={"Cell": tmp_path / "nowhere.obo"})
