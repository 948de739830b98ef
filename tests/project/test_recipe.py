"""The recipe of the small model: the scripts of scripts/recipe, on corpora of a few sentences."""

import random
from pathlib import Path

import auxiliary_corpora
import multitask
import numpy as np
import passages as data
import pytest
import small_model
import spacy
import srsly
import torch
from hypothesis import given
from hypothesis import strategies as st
from multitask import Network, new_classifier, train, training_record
from passages import MAIN_TASK, Passage, Settings, bio_scheme, cut, plan
from safetensors.torch import load_file
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from tiny_corpus import CRAFT, write_recipe_corpus
from tiny_models import make_tiny_model
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from craftner_spacy.training.corpus import Sentence, iob_doc

OTHER = [
    Sentence(("Kinase", "binding"), ("B-GENE", "O")),
    Sentence(("rat", "liver", "antibody"), ("B-ORGANISM", "O", "B-GENE")),
]
RECORD = {"seed": 3}
SETTINGS = Settings(
    {MAIN_TASK: 60, "other": 60}, 3, learning_rate=3e-3, shortest=2, longest=8, batch_pieces=30
)


def passage(lengths: list[int]) -> Passage:
    ends = np.cumsum(lengths)
    tags = np.zeros(len(lengths), dtype=np.int64)
    return Passage(np.arange(sum(lengths)), np.stack([ends - lengths, ends], axis=1), tags)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return make_tiny_model(tmp_path / "encoder", architecture="encoder", lowercase=True)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_recipe_corpus(tmp_path / "corpus", {"auxiliary/other": OTHER})


@given(st.lists(st.integers(1, 12), max_size=60), st.integers(1, 10), st.integers(0, 20), st.integers())
def test_windows_have_every_word_once_and_are_no_longer_than_allowed(
    lengths: list[int], shortest: int, extra: int, seed: int
) -> None:
    windows = cut(0, passage(lengths), shortest, shortest + extra, random.Random(seed))
    assert [word for _, first, end in windows for word in range(first, end)] == list(range(len(lengths)))
    for _, first, end in windows:
        assert end - first == 1 or sum(lengths[first:end]) <= shortest + extra


def test_a_plan_has_each_word_once_for_each_epoch_and_depends_on_the_seed() -> None:
    passages = {MAIN_TASK: [passage([1, 2, 3] * 20)], "other": [passage([2] * 30), passage([1])]}
    batches = plan(passages, SETTINGS)
    for task, n in SETTINGS.passes.items():
        read = [
            (window.passage, word)
            for batch in batches
            if batch.task == task
            for window in batch.windows
            for word in range(window.first, window.end)
        ]
        words = [(i, word) for i, p in enumerate(passages[task]) for word in range(len(p.word_pieces))]
        assert sorted(read) == sorted(words * n)
    assert plan(passages, SETTINGS) == batches
    assert plan(passages, SETTINGS._replace(seed=4)) != batches


def prepared(
    encoder: Path, corpus: Path, seed: int = 3
) -> tuple[Network, PreTrainedTokenizerFast, dict[str, list[Passage]]]:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    other = corpus / "auxiliary" / "other.spacy"
    scheme = bio_scheme(data.read_labels(other))
    passages = {
        MAIN_TASK: data.read_passages(corpus / "train.spacy", tokenizer, small_model.SCHEME),
        "other": data.read_passages(other, tokenizer, scheme),
    }
    torch.manual_seed(seed)
    network = Network(new_classifier(encoder, small_model.SCHEME), {"other": scheme})
    return network, tokenizer, passages


def test_training_learns_each_task(encoder: Path, corpus: Path, tmp_path: Path) -> None:
    network, tokenizer, passages = prepared(encoder, corpus)

    def losses() -> dict[str, float]:
        by_task = {}
        for task, of_task in passages.items():
            windows = [w for i, p in enumerate(of_task) for w in cut(i, p, 64, 64, random.Random(0))]
            special = multitask.special_pieces(tokenizer)
            inputs, first_pieces, tags = data.collate(windows, of_task, special, 510)
            with torch.no_grad():
                by_task[task] = float(multitask.loss_of(network.eval()(inputs, first_pieces, task), tags))
        return by_task

    before = losses()
    train(network, tokenizer, passages, SETTINGS, tmp_path / "checkpoint.pt", RECORD)
    after = losses()
    assert after[MAIN_TASK] < 0.6 * before[MAIN_TASK]
    assert after["other"] < 0.6 * before["other"]
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_stopped_training_continues_as_if_it_had_not_been_stopped(
    encoder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, tokenizer, passages = prepared(encoder, corpus)
    record = training_record(encoder, passages, SETTINGS)
    train(whole, tokenizer, passages, SETTINGS, tmp_path / "whole.pt", record, every=5)

    save = multitask._save_checkpoint

    def save_and_stop(*args: object) -> None:
        save(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    stopped, _, _ = prepared(encoder, corpus)
    with monkeypatch.context() as patch:
        patch.setattr(multitask, "_save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(stopped, tokenizer, passages, SETTINGS, tmp_path / "half.pt", record, every=5)
    too_long = SETTINGS._replace(longest=511)
    with pytest.raises(ValueError, match="windows of 2 to 511 wordpieces: allowed are 1 to 510"):
        train(stopped, tokenizer, passages, too_long, tmp_path / "half.pt", record)
    for other in (
        training_record(encoder, passages, SETTINGS._replace(seed=9)),
        training_record(encoder, {MAIN_TASK: passages[MAIN_TASK]}, SETTINGS),
    ):
        with pytest.raises(ValueError, match="of another training"):
            train(stopped, tokenizer, passages, SETTINGS, tmp_path / "half.pt", other)
    resumed, _, _ = prepared(encoder, corpus, seed=8)
    train(resumed, tokenizer, passages, SETTINGS, tmp_path / "half.pt", record, every=5)
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, resumed.state_dict()[name]), name


def test_the_recipe_makes_a_model_for_the_component(encoder: Path, corpus: Path, tmp_path: Path) -> None:
    transfer, soft_labels, start, small = (
        tmp_path / name for name in ("transfer", "soft_labels", "start", "small")
    )
    teachers, students = ([tmp_path / f"{name}-{seed}" for seed in (1, 2)] for name in ("teacher", "student"))
    small_model.transfer(str(encoder), corpus, transfer, seed=1)
    for seed, teacher in enumerate(teachers):
        small_model.finetune(transfer, corpus, teacher, seed=seed)
    small_model.average(start, teachers)
    small_model.pseudo_label(corpus, soft_labels, [start, *teachers])
    for seed, student in enumerate(students):
        small_model.distil(start, corpus, soft_labels, student, seed=seed)
    small_model.average(small, students)
    one, two, mean = (load_file(folder / "model.safetensors") for folder in (*students, small))
    assert not torch.equal(one["classifier.weight"], two["classifier.weight"])
    for name, weights in mean.items():
        assert torch.allclose(weights, (one[name] + two[name]) / 2, atol=1e-6), name
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={"model": {"name": str(small)}})
    assert isinstance(nlp("mouse Pax6 in the retina").ents, tuple)
    assert set(nlp.get_pipe("craft_ner").labels) == set(small_model.LABELS)  # type: ignore[attr-defined]


def test_soft_labels_are_the_mean_of_the_probabilities_of_the_models(
    encoder: Path, corpus: Path, tmp_path: Path
) -> None:
    teachers = [tmp_path / str(seed) for seed in (1, 2)]
    for seed, teacher in enumerate(teachers):
        small_model.finetune(encoder, corpus, teacher, seed=seed)
    soft_labels = []
    for models, out in (([teachers[0]], "a"), ([teachers[1]], "b"), (teachers, "both")):
        small_model.pseudo_label(corpus, tmp_path / out, models)
        soft_labels.append(np.load(tmp_path / out / "other.npy").astype(np.float32))
    first, second, both = soft_labels
    docs = list(DocBin().from_disk(corpus / "auxiliary" / "other.spacy").get_docs(Vocab()))
    assert first.shape == (sum(len(doc) for doc in docs), len(small_model.SCHEME.tags))
    assert first.sum(axis=1) == pytest.approx(1, abs=1e-2)
    assert not np.allclose(first, second, atol=1e-3)
    assert both == pytest.approx((first + second) / 2, abs=1e-3)


def test_a_model_learns_soft_labels(encoder: Path, corpus: Path, tmp_path: Path) -> None:
    _, tokenizer, _ = prepared(encoder, corpus)
    other, file = corpus / "auxiliary" / "other.spacy", tmp_path / "other.npy"
    n_tags = len(small_model.SCHEME.tags)
    probabilities = np.full((15, n_tags), 0.1 / (n_tags - 1), dtype=np.float16)
    probabilities[:, 3] = 0.9
    np.save(file, probabilities[:1])
    with pytest.raises(ValueError, match=r"other\.npy is of 1 words, .* has 15: run `pseudo-label` again"):
        small_model.read_soft_labels(other, file, tokenizer)
    np.save(file, probabilities)
    passages = small_model.read_soft_labels(other, file, tokenizer)
    network = Network(new_classifier(encoder, small_model.SCHEME), {})
    settings = SETTINGS._replace(passes={"soft_labels": 60})
    train(network, tokenizer, {"soft_labels": passages}, settings, tmp_path / "c.pt", RECORD)
    windows = [w for i, p in enumerate(passages) for w in cut(i, p, 64, 64, random.Random(0))]
    inputs, first_pieces, wanted = data.collate(windows, passages, multitask.special_pieces(tokenizer), 510)
    with torch.no_grad():
        logits = network.eval()(inputs, first_pieces, "soft_labels")
    assert logits.softmax(-1)[:, 3].numpy() == pytest.approx(0.9, abs=0.1)
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1 / (n_tags - 1)))
    assert float(multitask.loss_of(logits, wanted)) == pytest.approx(entropy, abs=0.1)


def test_wordpieces_are_masked_except_special_ones(encoder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    text = tokenizer(["the mouse gene", "water"], padding=True, return_tensors="pt")["input_ids"]
    special = torch.isin(text, torch.tensor(tokenizer.all_special_ids))
    assert 0 < special.sum() < special.numel()
    for share in (0.0, 0.5, 1.0):
        inputs = {"input_ids": text.clone().repeat(100, 1)}
        data.mask(inputs, tokenizer, share)
        masked = inputs["input_ids"] == tokenizer.mask_token_id
        assert not masked[special.repeat(100, 1)].any()
        assert masked[~special.repeat(100, 1)].float().mean() == pytest.approx(
            share, abs=0.1 * (share == 0.5)
        )
        assert torch.equal(inputs["input_ids"][~masked], text.repeat(100, 1)[~masked])


def test_masking_changes_the_result_of_a_training(encoder: Path, corpus: Path, tmp_path: Path) -> None:
    def trained(masked: float) -> torch.Tensor:
        network, tokenizer, passages = prepared(encoder, corpus)
        settings = SETTINGS._replace(passes={MAIN_TASK: 2, "other": 1}, masked=masked)
        train(network, tokenizer, passages, settings, tmp_path / "checkpoint.pt", RECORD)
        return network.main.classifier.weight

    assert not torch.equal(trained(0.5), trained(0.0))


def test_a_training_is_repeated_only_for_another_start_or_text(
    encoder: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def is_trained(start: Path) -> bool:
        small_model.finetune(start, corpus, tmp_path / "tuned", seed=1)
        return "already trained" not in capsys.readouterr().out

    assert is_trained(encoder)
    assert not is_trained(encoder)
    other = make_tiny_model(tmp_path / "other" / "encoder", architecture="encoder", lowercase=True, seed=9)
    assert is_trained(other)
    assert not is_trained(other)
    DocBin(docs=[iob_doc(Vocab(), CRAFT[:2], "1")]).to_disk(corpus / "train.spacy")
    assert is_trained(other)


def test_the_loss_leaves_out_words_without_a_tag() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 0.0], [5.0, 1.0]])
    known = multitask.loss_of(logits[:2], torch.tensor([0, 1]))
    assert float(known) == pytest.approx((np.log1p(np.exp(-2)) + np.log(2)) / 2)
    assert multitask.loss_of(logits, torch.tensor([0, 1, -1])) == known
    assert multitask.loss_of(logits, torch.tensor([-1, -1, -1])) == 0


def test_auxiliary_corpora_have_no_held_out_sentences_and_none_without_entities(tmp_path: Path) -> None:
    craft, folder = tmp_path / "craft", tmp_path / "mtl"
    for path, text in {
        craft / "devel.tsv": "Pax6\tB-GGP\n+/-\tO\nmice\tB-Taxon\n",
        craft / "test.tsv": "Never\tO\nseen\tO\n",
        folder
        / "One-IOB"
        / "train.tsv": "Pax\tB-GENE\n6\tI-GENE\nmice\tO\n\nIt\tO\nbinds\tO\nRas\tI-GENE\n\nNone\tO\n",
        folder / "Two-IOBES" / "test.tsv": "B\tB-CELL\nlymphoid\tI-CELL\ncells\tE-CELL\nRas\tS-GENE\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    auxiliary_corpora.main(folder, craft, tmp_path / "out", tmp_path / "counts.json")

    def read(name: str) -> list[Doc]:
        return list(DocBin().from_disk(tmp_path / "out" / name).get_docs(Vocab()))

    assert [[(e.text, e.label_) for e in doc.ents] for doc in read("One.spacy")] == [[("Ras", "GENE")]]
    assert [doc.text.strip() for doc in read("One.spacy")] == ["It binds Ras"]
    assert [(e.text, e.label_) for doc in read("Two.spacy") for e in doc.ents] == [
        ("B lymphoid cells", "CELL"),
        ("Ras", "GENE"),
    ]
    report = srsly.read_json(tmp_path / "counts.json")
    counts = report["corpora"]
    assert counts["One"] == {"sentences": 1, "held_out": 1, "without_entities": 1, "entities": 0}
    assert counts["Two"] == {"sentences": 1, "held_out": 0, "without_entities": 0, "entities": 2}
    assert report["weights"] is None
