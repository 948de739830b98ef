"""Training: a tiny set is learned by heart, and what is changed when, and by what."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, fix_random_seed
from tiny_pipelines import GOLD, TEXTS, get_craft_ner, get_weights, make_examples, make_nlp, read_ents, train


def test_learns_a_tiny_set_by_heart(trained_pipeline: Path) -> None:
    nlp = spacy.load(trained_pipeline)
    assert get_craft_ner(nlp).labels == ("Protein", "Taxon")
    assert [read_ents(nlp(text)) for text in TEXTS] == GOLD
    scores = nlp.evaluate(make_examples(nlp))
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"], scores["ents_acc"]) == (1, 1, 1, 1)
    assert 0.0 < scores["ents_loss"] < 0.2


def test_loss_falls(tiny_encoder: Path) -> None:
    fix_random_seed(0)
    nlp = make_nlp(tiny_encoder)
    nlp.initialize(lambda: make_examples(nlp))
    optimizer = Adam(2e-3)
    losses = [nlp.update(make_examples(nlp), sgd=optimizer)["craft_ner"] for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


def test_same_seed_gives_the_same_weights(tiny_encoder: Path) -> None:
    first, second = get_weights(train(tiny_encoder, 3)), get_weights(train(tiny_encoder, 3))
    start = get_weights(train(tiny_encoder, 0))
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)
    assert (first["classifier.weight"] != start["classifier.weight"]).all()


def test_frozen_is_not_trained(trained_pipeline: Path) -> None:
    nlp = spacy.load(trained_pipeline)
    nlp.add_pipe("tagger")
    batch = [
        Example.from_dict(nlp.make_doc(eg.text), {"tags": ["X"] * len(eg.predicted)})
        for eg in make_examples(nlp)
    ]
    nlp.get_pipe("tagger").initialize(lambda: batch, nlp=nlp)  # type: ignore[attr-defined]
    before = get_weights(nlp)
    losses = nlp.update(batch, sgd=Adam(0.1), exclude=["craft_ner"])
    assert losses.keys() == {"tagger"}
    assert all((get_weights(nlp)[name] == before[name]).all() for name in before)


def test_resumed_training_starts_from_the_trained_weights(trained_pipeline: Path) -> None:
    nlp = spacy.load(trained_pipeline)
    before = nlp.evaluate(make_examples(nlp))["ents_loss"]
    optimizer = nlp.resume_training(sgd=Adam(5e-4))
    for _ in range(10):
        losses = nlp.update(make_examples(nlp), sgd=optimizer)
    assert losses["craft_ner"] < 0.3
    assert nlp.evaluate(make_examples(nlp))["ents_loss"] < before


def test_a_trained_pipeline_keeps_its_classifier_when_sourced(trained_pipeline: Path) -> None:
    source = spacy.load(trained_pipeline)
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", source=source)
    assert [read_ents(nlp(text)) for text in TEXTS] == GOLD


def test_classifier_that_knows_the_labels_is_kept(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    before = get_weights(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    assert get_craft_ner(nlp).labels == ("Cell", "Chemical", "Gene", "Protein", "Sequence", "Taxon")
    assert (get_weights(nlp)["classifier.weight"] == before["classifier.weight"]).all()


def test_examples_whose_texts_differ_are_refused(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    with pytest.raises(ValueError, match="predicted and reference text of an example differ: 'the rat'"):
        nlp.update([Example(nlp.make_doc("the mouse"), nlp.make_doc("the rat"))])


def test_labels_that_are_given_are_not_gathered_from_examples(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    component = get_craft_ner(nlp)
    known = component.label_data

    def no_examples() -> Iterable[Example]:
        raise AssertionError("the examples were asked for labels")

    before = get_weights(nlp)
    component.initialize(no_examples, labels=known)
    assert component.labels == known
    assert all(np.array_equal(before[name], value) for name, value in get_weights(nlp).items())
    component.initialize(no_examples, labels=["Organ"])
    assert component.labels == ("Organ",)


def test_update_with_an_optimizer_takes_the_step_itself(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp("mouse")
    before = get_weights(nlp)["classifier.bias"]
    get_craft_ner(nlp).update(make_examples(nlp), sgd=None)
    assert np.array_equal(get_weights(nlp)["classifier.bias"], before)
    get_craft_ner(nlp).update(make_examples(nlp), sgd=Adam(0.1))
    assert not np.array_equal(get_weights(nlp)["classifier.bias"], before)


def test_update_of_empty_documents_changes_nothing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp.initialize()
    before = get_weights(nlp)
    example = Example.from_dict(nlp.make_doc(""), {"entities": []})
    assert get_craft_ner(nlp).update([example], sgd=Adam(0.1)) == {"craft_ner": 0.0}
    assert all((get_weights(nlp)[name] == before[name]).all() for name in before)
