"""Base model, ensembles, soft labels and distillation, and their measurement, on a few sentences."""

from itertools import combinations
from pathlib import Path

import ablation
import base_model
import compare
import distillation
import mixtures
import multitask
import numpy as np
import outside
import pytest
import small_model
import spacy
import srsly
import torch
from annotated_texts import AnnotatedText
from ensemble import Ensemble
from evidence import Weights
from passages import MAIN_TASK, Passage, Settings, plan
from reserved import part_of
from safetensors.torch import load_file
from tiny_corpus import CRAFT, write_recipe_corpus
from tiny_models import make_tiny_model
from transformers import AutoTokenizer

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.training.corpus import Sentence
from craftner_spacy.types import Entity

OTHER = [
    Sentence(("Kinase", "binding"), ("B-GENE", "O")),
    Sentence(("rat", "liver", "antibody"), ("O", "O", "B-GENE")),
]
N_WORDS = 3 * sum(len(sentence.words) for sentence in OTHER)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return make_tiny_model(tmp_path / "encoder", architecture="encoder", lowercase=True)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_recipe_corpus(tmp_path / "corpus", {"outside/BC2GM": OTHER})


@pytest.fixture
def teachers(encoder: Path, corpus: Path, tmp_path: Path) -> list[str]:
    folders = [tmp_path / f"teacher-{seed}" for seed in (1, 2)]
    for seed, folder in enumerate(folders):
        small_model.finetune(encoder, corpus, folder, seed=seed)
    return [str(folder) for folder in folders]


def test_soft_labels_are_the_weighted_mean_of_the_probabilities_of_the_teachers(
    teachers: list[str], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = teachers
    soft_labels = []
    for name, models in {"a": [first], "b": [second], "both": [f"{first}=3", f"{second}=1"]}.items():
        distillation.pseudo_label(corpus, tmp_path / name, models)
        soft_labels.append(np.load(tmp_path / name / "BC2GM.npy").astype(np.float32))
    assert soft_labels[0].shape == (N_WORDS, len(small_model.SCHEME.tags))
    assert soft_labels[0].sum(axis=1) == pytest.approx(1, abs=1e-2)
    assert not np.allclose(soft_labels[0], soft_labels[1], atol=1e-3)
    assert soft_labels[2] == pytest.approx(0.75 * soft_labels[0] + 0.25 * soft_labels[1], abs=2e-3)
    capsys.readouterr()
    distillation.pseudo_label(corpus, tmp_path / "a", [second])
    assert "BC2GM has soft labels already" in capsys.readouterr().out
    assert np.array_equal(np.load(tmp_path / "a" / "BC2GM.npy"), soft_labels[0].astype(np.float16))


def test_an_ensemble_of_one_model_predicts_what_the_component_predicts(teachers: list[str]) -> None:
    nlp = spacy.blank("en")
    component = nlp.add_pipe("craft_ner", config={"model": {"name": teachers[0]}})
    assert isinstance(component, CraftNER)
    docs = [nlp.make_doc(text) for text in ("mouse Pax6 in stem cells", "", "calcium")]
    expected = component.predict(docs)
    for entities, others in zip(Ensemble(teachers[:1]).predict(docs), expected, strict=True):
        assert [e[:3] for e in entities] == [e[:3] for e in others]
        assert [e.score for e in entities] == pytest.approx([e.score for e in others], abs=1e-4)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "much"])
def test_weights_of_an_ensemble_are_positive(weight: str) -> None:
    with pytest.raises(ValueError, match=f"weight = '{weight}' in 'small={weight}': it has to be a positive"):
        Ensemble([f"small={weight}"])


def test_models_with_other_tags_are_no_ensemble(teachers: list[str], tmp_path: Path) -> None:
    other = make_tiny_model(tmp_path / "other", labels=("O", "B-Disease", "I-Disease"))
    with pytest.raises(ValueError, match=r"model '.*other' has the tags .*: allowed are those of the first"):
        Ensemble([teachers[0], str(other)])


def test_a_student_is_trained_on_soft_labels_with_evidence_in_them(
    encoder: Path, corpus: Path, tmp_path: Path
) -> None:
    tags = small_model.SCHEME.index
    probabilities = np.zeros((N_WORDS, len(tags)), dtype=np.float16)
    probabilities[:, tags["O"]] = 1.0
    soft_labels = tmp_path / "soft"
    soft_labels.mkdir()
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    assert not list(distillation.soft_passages(corpus, soft_labels, tokenizer, Weights()))
    np.save(soft_labels / "BC2GM.npy", probabilities[:1])
    with pytest.raises(
        ValueError, match=rf"BC2GM\.npy is of 1 words, .* has {N_WORDS}: run `pseudo-label` again"
    ):
        list(distillation.soft_passages(corpus, soft_labels, tokenizer, Weights()))
    np.save(soft_labels / "BC2GM.npy", probabilities)
    for weight in (0.0, 0.5):
        passages = list(distillation.soft_passages(corpus, soft_labels, tokenizer, Weights(weight)))
        targets = np.concatenate([passage.tags for passage in passages])
        assert targets[:, tags["B-Protein"]].tolist() == 3 * [weight, 0, 0, 0, weight]
    students = {weight: tmp_path / f"student-{weight}" for weight in (0.0, 1.0)}
    for weight, out in students.items():
        distillation.distil(str(encoder), corpus, soft_labels, out, marked=weight)
    one, two = (load_file(out / "model.safetensors")["classifier.weight"] for out in students.values())
    assert not torch.equal(one, two)


def test_a_corpus_that_does_not_exist_is_an_error(
    encoder: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        distillation.distil(str(encoder), corpus, tmp_path, tmp_path / "student", corpora="BC2GM,BC2GN")
    assert "--corpora BC2GN: allowed are BC2GM, BC5CDR" in " ".join(capsys.readouterr().out.split())


def test_a_base_model_is_trained_and_a_stopped_one_unpacked(
    encoder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_model, "PASSES", {"BC2GM": 1, MAIN_TASK: 3})
    save = multitask._save_checkpoint

    def save_and_stop(*args: object) -> None:
        save(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(multitask, "_save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            base_model.train_base(str(encoder), corpus, tmp_path / "base", every=2)
    base_model.unpack(str(encoder), tmp_path / "base" / "checkpoint.pt", tmp_path / "half")
    base_model.train_base(str(encoder), corpus, tmp_path / "base", every=2)
    half, whole = (load_file(tmp_path / name / "model.safetensors") for name in ("half", "base"))
    assert half.keys() == whole.keys()
    assert not torch.equal(half["classifier.weight"], whole["classifier.weight"])
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={"model": {"name": str(tmp_path / "half")}})
    assert isinstance(nlp("mouse Pax6 in the retina").ents, tuple)


def test_a_training_can_end_early_and_is_then_fine_tuned(
    encoder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_model, "PASSES", {"BC2GM": 4, MAIN_TASK: 4})
    base_model.train_base(str(encoder), corpus, tmp_path / "transfer", until=0.5)
    base_model.train_base(str(encoder), corpus, tmp_path / "whole")
    base_model.finetune(tmp_path / "transfer", corpus, tmp_path / "base")
    names = ("transfer", "whole", "base")
    weights = [load_file(tmp_path / name / "model.safetensors")["classifier.weight"] for name in names]
    assert not any(torch.equal(one, two) for one, two in combinations(weights, 2))
    assert srsly.read_json(tmp_path / "transfer" / "training.json")["until"] == 0.5


def test_auxiliary_tasks_end_before_the_main_task() -> None:
    ends = np.arange(1, 61)
    passage = Passage(np.arange(60), np.stack([ends - 1, ends], axis=1), np.zeros(60, dtype=np.int64))
    passages = {MAIN_TASK: [passage] * 9, "other": [passage] * 9}
    settings = Settings({MAIN_TASK: 2, "other": 2}, 1, 1e-3, shortest=5, longest=9, batch_pieces=9)
    for until in (1.0, 0.5):
        batches = plan(passages, settings._replace(auxiliary_until=until))
        last = max(i for i, batch in enumerate(batches) if batch.task == "other")
        before = sum(batch.task == MAIN_TASK for batch in batches[:last])
        n_main = sum(batch.task == MAIN_TASK for batch in batches)
        assert before / n_main == pytest.approx(until, abs=0.1)


def test_scores_are_of_start_and_end_or_of_overlap_and_neutral_entities_are_not_counted() -> None:
    pair = outside.LabelPair("A", "Gene", "Protein", neutral=("FamilyName",))
    gold = (
        Entity(0, 4, "Gene"),
        Entity(10, 14, "Gene"),
        Entity(20, 29, "FamilyName"),
        Entity(30, 33, "Cell"),
    )
    scores = outside.score(pair, [AnnotatedText("1", "", gold)], [{(0, 4), (9, 12), (22, 25), (30, 33)}])
    third = pytest.approx(1 / 3)
    assert scores["entities"] == 2
    assert scores["exact"] == {"precision": third, "recall": 0.5, "f1": pytest.approx(0.4)}
    assert scores["overlap"] == {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8)}


def test_models_are_measured_on_reserved_documents(
    teachers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "held-out.txt").write_text("8\n")
    blocks = [f"{n}|t|Pax6 of a mouse.\n{n}|a|\n{n}\t0\t4\tPax6\tGene\t1\n" for n in (7, 8)]
    (tmp_path / "GNormPlus_Test.PubTator").write_text("\n".join(blocks))
    pairs = (outside.LabelPair("GNormPlus_Test", "Gene", "Protein"),)
    monkeypatch.setattr(outside, "PAIRS", pairs)
    reports = []
    for name, models in {"one": teachers[:1], "mean": [f"{model}=2" for model in teachers]}.items():
        outside.main(tmp_path, models, tmp_path / name)
        reports.append(srsly.read_json(tmp_path / f"{name}.json"))
    one, mean = reports
    assert list(one)[:2] == ["model", "weights"]
    assert one["weights"] == outside.measured.weights_digest(teachers[0])
    assert mean["model"] == f"{teachers[0]}=2 + {teachers[1]}=2"
    assert len(mean["weights"]) == 64
    assert mean["weights"] != one["weights"]
    assert (one["pairs"][0]["documents"], one["pairs"][0]["entities"]) == (1, 1)
    assert "| GNormPlus_Test | Gene | Protein | 1 | 1 |" in (tmp_path / "one.md").read_text()
    outside.main(tmp_path, teachers[:1], tmp_path / "dev", part="dev")
    assert srsly.read_json(tmp_path / "dev.json")["pairs"] == []
    with pytest.raises(outside.typer.BadParameter, match="part = 'all': allowed are dev and test"):
        outside.main(tmp_path, teachers[:1], tmp_path / "all", part="all")


def test_an_ablation_has_a_row_for_each_student(
    teachers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_recipe_corpus(tmp_path / "corpus", {"iob/devel": CRAFT})
    (tmp_path / "held-out.txt").write_text("")
    number = next(n for n in range(99) if part_of(str(n)) == "dev")
    text = f"{number}|t|Pax6 of a mouse.\n{number}|a|\n{number}\t0\t4\tPax6\tGene\t1\n"
    (tmp_path / "GNormPlus_Train.PubTator").write_text(text)
    pairs = (outside.LabelPair("GNormPlus_Train", "Gene", "Protein"),)
    monkeypatch.setattr(outside, "PAIRS", pairs)
    monkeypatch.setattr(ablation, "GENES", [("GNormPlus_Train", "Protein")])
    monkeypatch.setattr(ablation, "RECALLS", [("GNormPlus_Train", "Protein")])
    folders = [Path(name) for name in teachers]
    ablation.main(corpus, tmp_path, folders, tmp_path / "ablation", teachers[1])
    report = srsly.read_json(tmp_path / "ablation.json")
    assert report["weights"] == outside.measured.weights_digest(teachers[1])
    assert list(report["models"]) == ["teacher-1", "teacher-2"]
    figures = report["models"]["teacher-1"]
    devel = compare.measure(folders[0], corpus, ["devel"])
    assert figures["devel"]["devel"] == pytest.approx(devel["devel"])
    exact = figures["outside"][0]["exact"]
    assert exact == pytest.approx(outside.measure(teachers[:1], tmp_path, "dev")[0]["exact"])
    row = [devel["devel"]["f1"], devel["devel"]["protein_f1"], exact["f1"], exact["recall"]]
    cells = " | ".join(ablation.percent(figure) for figure in row)
    assert f"| teacher-1 | {cells} |" in (tmp_path / "ablation.md").read_text()


def test_mixtures_have_a_row_for_each_weight_and_read_kept_probabilities(
    teachers: list[str], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = []
    for _ in range(2):
        capsys.readouterr()
        mixtures.main(corpus / "train.spacy", teachers, steps=2, cache=tmp_path / "cache")
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]
    assert [row[:16] for row in tables[0].splitlines()[2:5]] == [
        "| 1.00 | 0.00 | ",
        "| 0.50 | 0.50 | ",
        "| 0.00 | 1.00 | ",
    ]
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 2
