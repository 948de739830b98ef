"""Labels: their names by `label_map` in entities, gold and scores, and labels that the model lacks."""

import json
import warnings
from pathlib import Path

import pytest
import spacy
from spacy import displacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam
from tiny_pipelines import GOLD, TEXTS, get_craft_ner, get_weights, make_nlp, read_ents

from craftner_spacy import sources
from craftner_spacy.model import get_shim

LACKING = r"no label of the model \(Protein, Taxon\) is that of the examples' Disease: words of such entities"


def example(nlp: Language, *ents: tuple[int, int, str]) -> Example:
    """The first text with these entities; by default "kinase" is a Protein and "mouse" a Taxon."""
    return Example.from_dict(nlp(TEXTS[0]), {"entities": list(ents)})


# Labels that the model lacks


def test_an_entity_with_a_label_that_the_model_lacks_counts_as_missed(trained_pipeline: Path) -> None:
    nlp = spacy.load(trained_pipeline)
    found, missed = (4, 10, "Protein"), (20, 25, "Disease")
    with pytest.warns(UserWarning, match=LACKING):
        scores = nlp.evaluate([example(nlp, found, (14, 19, "Taxon"), missed)])
    assert scores["ents_p"] == 1
    assert scores["ents_r"] == pytest.approx(2 / 3)
    assert scores["ents_per_type"]["Disease"] == {"p": 0.0, "r": 0.0, "f": 0.0}
    # The loss is the mean over the other words.
    known = nlp.evaluate([example(nlp, found, (14, 19, "Taxon"))])["ents_loss"]
    assert 0 < scores["ents_loss"] < 1.5 * known


def test_it_is_unknown_to_the_loss(trained_pipeline: Path) -> None:
    nlp = spacy.load(trained_pipeline)
    before = get_weights(nlp)["classifier.bias"]
    nothing_known = example(nlp, (0, len(TEXTS[0]), "Disease"))
    with pytest.warns(UserWarning, match=LACKING):
        losses = nlp.update([nothing_known], sgd=Adam(0.1))
    assert losses["craft_ner"] == 0
    assert (get_weights(nlp)["classifier.bias"] == before).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.update([nothing_known])  # of one label, one warning


# The names of labels


@pytest.mark.parametrize("gold_label", ["Protein", "GeneOrProtein"])
def test_gold_has_the_labels_of_the_model_or_their_names(trained_model: Path, gold_label: str) -> None:
    nlp = make_nlp(trained_model, label_map={"Protein": "GeneOrProtein"})
    gold = [(4, 10, gold_label), (14, 19, "Taxon")]
    scores = nlp.evaluate([example(nlp, *gold)])
    assert scores["ents_f"] == 1
    assert set(scores["ents_per_type"]) == {"GeneOrProtein", "Taxon"}
    plain = make_nlp(trained_model)
    reference = [(4, 10, "Protein"), (14, 19, "Taxon")]
    assert scores["ents_loss"] == plain.evaluate([example(plain, *reference)])["ents_loss"]


def test_the_span_group_tells_the_models_labels_to_craft_linker(trained_model: Path, tiny_kb: Path) -> None:
    plain = make_nlp(trained_model)
    assert "model_labels" not in plain(TEXTS[0]).spans["craft_ner"].attrs
    nlp = make_nlp(trained_model, label_map={"Protein": "THING", "Taxon": "THING"})
    nlp.add_pipe("craft_linker", config={"kb": str(tiny_kb)})
    plain.add_pipe("craft_linker", config={"kb": str(tiny_kb)})
    doc = nlp(TEXTS[0])
    assert doc.spans["craft_ner"].attrs["labels"] == ["THING", "THING"]
    assert doc.spans["craft_ner"].attrs["model_labels"] == ["Protein", "Taxon"]
    assert [ent.label_ for ent in doc.ents] == ["THING", "THING"]
    assert [ent.kb_id_ for ent in doc.ents] == [ent.kb_id_ for ent in plain(TEXTS[0]).ents]
    assert all(ent.kb_id_ for ent in doc.ents)


def test_labels_with_one_name_are_one_label_in_scores_and_unknown_to_the_loss(trained_model: Path) -> None:
    nlp = make_nlp(trained_model, label_map={"Protein": "Thing", "Taxon": "Thing"})
    gold = example(nlp, (4, 10, "Thing"), (14, 19, "Thing"))
    with pytest.warns(UserWarning, match=r"\(Thing\) is that of the examples' Thing"):
        scores = nlp.evaluate([gold])
    assert scores["ents_per_type"] == {"Thing": {"p": 1, "r": 1, "f": 1}}
    assert nlp.evaluate([example(nlp, (4, 10, "Protein"), (14, 19, "Taxon"))])["ents_f"] == 1


def test_gold_that_is_named_anew_keeps_what_is_not_annotated(trained_model: Path) -> None:
    nlp = make_nlp(trained_model, label_map={"Protein": "GeneOrProtein"})
    gold = example(nlp, (4, 10, "Protein"))
    gold.reference.set_ents(list(gold.reference.ents), missing=[gold.reference[3:]])
    doc_before = gold.reference.to_bytes()
    scores = nlp.evaluate([gold])
    assert (scores["ents_p"], scores["ents_r"]) == (1, 1)
    assert gold.reference.to_bytes() == doc_before


def test_training_by_names_keeps_the_labels_of_the_model(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model, label_map={"Gene": "Part"})
    nlp("mouse")
    before = get_weights(nlp)["classifier.weight"]
    nlp.initialize(lambda: [example(nlp, (4, 10, "Part"))])
    assert (get_weights(nlp)["classifier.weight"] == before).all()
    assert get_craft_ner(nlp).label_data == ("Cell", "Chemical", "Gene", "Protein", "Sequence", "Taxon")


def test_labels_and_displacy_have_the_names(trained_model: Path) -> None:
    nlp = make_nlp(trained_model, label_map={"Protein": "GeneOrProtein"})
    pipe = get_craft_ner(nlp)
    doc = nlp(TEXTS[0])
    assert pipe.labels == ("GeneOrProtein", "Taxon")
    assert pipe.label_data == ("Protein", "Taxon")
    html = displacy.render(doc, style="ent", options={"ents": list(pipe.labels)}, jupyter=False)
    assert html.count("<mark") == len(GOLD[0])
    pipe.label_map = {"Protein": "Taxon"}
    assert pipe.labels == ("Taxon",)


# Keys that are no label


WRONG = r"label_map = \{'Gen': 'Part'\}: the model has no label 'Gen'; allowed are Protein, Taxon"


def test_a_key_that_is_no_label_is_refused_each_time(trained_model: Path, tmp_path: Path) -> None:
    nlp = make_nlp(trained_model, label_map={"Gen": "Part"})
    for _ in range(2):
        with pytest.raises(ValueError, match=WRONG):
            nlp(TEXTS[0])
    with pytest.raises(ValueError, match=WRONG):
        nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match=WRONG):
        nlp.initialize(lambda: [example(make_nlp(trained_model), (4, 10, "Protein"))])


def test_a_key_that_is_no_label_is_refused_when_it_is_set(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    pipe = get_craft_ner(nlp)
    nlp(TEXTS[0])
    with pytest.raises(ValueError, match=WRONG):
        pipe.label_map = {"Gen": "Part"}
    assert read_ents(nlp(TEXTS[0])) == GOLD[0]


def test_a_saved_pipeline_with_such_a_key_is_refused(trained_model: Path, tmp_path: Path) -> None:
    nlp = make_nlp(trained_model, label_map={"Taxon": "Species"})
    data = nlp.to_bytes()
    nlp.to_disk(tmp_path)
    config = (tmp_path / "config.cfg").read_text(encoding="utf8")
    (tmp_path / "config.cfg").write_text(config.replace("Taxon", "Gen").replace("Species", "Part"))
    with pytest.raises(ValueError, match=WRONG):
        spacy.load(tmp_path)
    other = make_nlp(trained_model, label_map={"Gen": "Part"})
    with pytest.raises(ValueError, match=WRONG):
        other.from_bytes(data)


# Labels before the first text


def test_labels_of_a_model_on_disk_are_known_before_its_weights(trained_model: Path, tmp_path: Path) -> None:
    nlp = make_nlp(trained_model, label_map={"Protein": "GeneOrProtein"})
    pipe = get_craft_ner(nlp)
    assert pipe.labels == ("GeneOrProtein", "Taxon")
    assert nlp.pipe_labels == {"craft_ner": ["GeneOrProtein", "Taxon"]}
    assert not get_shim(pipe.model).is_loaded
    nlp.to_disk(tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text(encoding="utf8"))
    assert meta["labels"] == {"craft_ner": ["GeneOrProtein", "Taxon"]}


def test_labels_of_a_hub_model_are_those_of_the_cache(
    trained_model: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[object]
) -> None:
    pipe = get_craft_ner(make_nlp("nobody/has-this"))
    assert pipe.labels == ()
    asked = []

    def cached(hub_id: str, **options: object) -> str:
        asked.append((hub_id, options["local_files_only"]))
        return str(trained_model)

    monkeypatch.setattr(sources, "snapshot_download", cached)
    assert pipe.labels == ("Protein", "Taxon")
    assert asked == [("nobody/has-this", True)]
    assert not no_network


@pytest.mark.parametrize(
    "config", ["{}", "[]", "{", '{"id2label": {"0": "LABEL_0"}}', '{"id2label": {"x": "O"}}']
)
def test_a_folder_without_valid_labels_has_none(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    assert get_craft_ner(make_nlp(tmp_path)).labels == ()
