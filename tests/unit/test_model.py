"""The Thinc model: what its spans, batches and numeric precision change, and its backward pass."""

from pathlib import Path

import numpy as np
import pytest
import spacy
from tiny_pipelines import make_model

from craftner_spacy.model import forward, get_shim, is_out_of_memory

TEXT = "The kinase in mouse brain was expressed in stem cells of yeast with receptor and calcium in water"
DOCS = [" ".join(TEXT.split()[:n]) for n in (1, 3, 18, 2, 9, 9, 0, 5)]


def test_the_gradient_of_the_logits_reaches_the_network(tiny_model: Path) -> None:
    model = make_model(tiny_model, window=5, stride=3)
    network = get_shim(model).network
    [words], backprop = forward(model, [spacy.blank("en")(TEXT)], is_train=True)
    backprop([np.ones_like(words.logits)])
    # The logits of each word have the bias once, however many windows hold the word.
    assert network.classifier.bias.grad.numpy() == pytest.approx(len(words.logits))


def test_spans_decide_what_is_read_at_once(tiny_model: Path) -> None:
    doc = spacy.blank("en")(TEXT)
    wide, narrow, also_wide = (
        make_model(tiny_model, window, stride).predict([doc])[0]
        for window, stride in [(128, 96), (4, 2), (64, 64)]
    )
    assert np.array_equal(wide.chars, narrow.chars)
    assert np.abs(wide.logits - narrow.logits).max() > 1e-3
    assert np.array_equal(wide.logits, also_wide.logits)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("value", [float("nan"), 3e38])
def test_scores_that_are_no_numbers_are_refused(precision: str, value: float, tiny_model: Path) -> None:
    model = make_model(tiny_model, precision=precision)
    get_shim(model).network.classifier.weight.data[2] = value
    message = (
        rf"name = '.*': in precision '{precision}' its scores of the document '{TEXT[:60]}' are NaN or inf"
    )
    with pytest.raises(ValueError, match=message):
        model.predict([spacy.blank("en")(""), spacy.blank("en")(TEXT)])


def test_bf16_is_near_fp32_and_not_the_same(tiny_model: Path) -> None:
    doc = spacy.blank("en")(TEXT)
    fp32, bf16 = (make_model(tiny_model, precision=p).predict([doc])[0].logits for p in ("fp32", "bf16"))
    assert not np.array_equal(fp32, bf16)
    assert bf16 == pytest.approx(fp32, abs=0.2)
    assert bf16.dtype == np.float32


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
@pytest.mark.parametrize("batch_tokens", [1, 40, 2048])
def test_many_documents_in_bf16(folder: str, batch_tokens: int, request: pytest.FixtureRequest) -> None:
    docs = list(spacy.blank("en").pipe(DOCS))
    scores = []
    for precision in ("fp32", "bf16"):
        model = make_model(request.getfixturevalue(folder), window=8, stride=6, precision=precision)
        model.attrs["batch_tokens"] = batch_tokens
        scores.append(model.predict(docs))
    for fp32, bf16 in zip(*scores, strict=True):
        assert np.array_equal(fp32.chars, bf16.chars)
        assert bf16.logits == pytest.approx(fp32.logits, abs=0.2)


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
def test_training_and_inference_score_alike(folder: str, request: pytest.FixtureRequest) -> None:
    docs = list(spacy.blank("en").pipe(DOCS))
    model = make_model(request.getfixturevalue(folder), window=8, stride=6)
    for module in get_shim(model).network.modules():
        # Dropout, of the layers and of the attention, would change the scores of training.
        for name in {"p", "dropout_prob"} & vars(module).keys():
            setattr(module, name, 0.0)
    trained, _ = forward(model, docs, is_train=True)
    for with_rows, end_to_end in zip(trained, model.predict(docs), strict=True):
        assert np.array_equal(with_rows.chars, end_to_end.chars)
        assert with_rows.logits == pytest.approx(end_to_end.logits, abs=1e-4)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB", True),
        ("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes", True),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes", True),
        ("shapes do not match", False),
    ],
)
def test_errors_of_torch_for_want_of_memory(message: str, expected: bool) -> None:
    assert is_out_of_memory(RuntimeError(message)) is expected
    assert not is_out_of_memory(ValueError(message))
