"""The numeric precision of inference: what `auto` takes, and the network for each precision."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from spacy.tokens import Doc, Span

from craftner_spacy.folders import load_folder
from craftner_spacy.inference import feed_forward, precision, quantized_linear
from craftner_spacy.inference.calibration import observe
from craftner_spacy.inference.padding import PaddedNetwork
from craftner_spacy.inference.precision import PRECISIONS, Inference, make_inference, training_precision
from craftner_spacy.model import TokenClassifier, get_shim, load


@pytest.fixture
def network(tiny_model: Path) -> Any:
    network = load_folder(tiny_model).transformer.eval()
    # Random weights are far from sure of anything; so little is at stake in int8.
    network.classifier.weight.data *= 0.1
    return network


SAMPLE = [torch.tensor([2, 7, 9, 11, 3]), torch.tensor([2, 8, 3])]


def make(network: Any, setting: str) -> Inference:
    return make_inference(network, setting, 512, 0, lambda: SAMPLE)


@pytest.mark.parametrize(
    ("int8", "bf16", "expected"),
    [(True, True, "int8"), (True, False, "int8"), (False, True, "bf16"), (False, False, "fp32")],
)
def test_auto_takes_what_the_device_is_fastest_in(
    network: Any, int8: bool, bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[str] = []

    def has_units(has: bool) -> Callable[[str], bool]:
        return lambda device: devices.append(device) or has  # type: ignore[func-returns-value]

    monkeypatch.setattr(precision, "prefers_int8", has_units(int8))
    monkeypatch.setattr(precision, "has_bf16_units", has_units(bf16))
    inference = make(network, "auto")
    assert inference.precision == expected
    assert type(inference.network) is type(make(network, expected).network)
    assert set(devices) == {"cpu"}


@pytest.mark.parametrize(("bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_does_not_take_int8_that_changes_what_the_network_says(
    network: Any, bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "prefers_int8", lambda device: True)
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: bf16)
    monkeypatch.setattr(precision, "MAX_CHANGE", 1e-6)
    with caplog.at_level("INFO"):
        assert make(network, "auto").precision == expected
    assert "int8 changes the probabilities of a sample by 0." in caplog.text
    assert make(network, "int8").precision == "int8"


def test_the_shipped_model_is_run_in_int8_unless_it_is_quantized_badly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "prefers_int8", lambda device: True)
    model = TokenClassifier("small", get_whole_docs, "main", "first", "auto")
    load(model)
    shim = get_shim(model)
    assert shim.inference_precision == "int8"
    monkeypatch.setattr(quantized_linear, "SMOOTHING", 0.0)
    monkeypatch.setattr(feed_forward, "N_OUTLIERS", 0)
    shim.to_device("cpu", 0)
    assert shim.inference_precision != "int8"


def get_whole_docs(docs: Iterable[Doc]) -> list[list[Span]]:
    return [[doc[:]] for doc in docs]


def test_auto_does_without_the_operators_for_int8(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "prefers_int8", lambda device: True)
    monkeypatch.setattr(precision, "can_quantize", lambda: False)
    assert make(network, "auto").precision in ("bf16", "fp32")


def test_int8_warns_where_it_is_slow(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "is_slow_in_int8", lambda: True)
    with pytest.warns(UserWarning, match="'int8': this CPU has neither AVX512 nor VNNI"):
        assert make(network, "int8").precision == "int8"


def test_auto_on_another_device_asks_for_no_sample(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: False)
    # Torch's device without memory stands for a GPU, which the tests do without.
    assert make_inference(network.to("meta"), "auto", 512, 0, no_sample).precision == "fp32"


@pytest.mark.parametrize(("units", "in_auto"), [(True, "bf16"), (False, "fp32")])
def test_training_is_in_bf16_where_it_is_asked_for_or_fast(
    units: bool, in_auto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: units)
    settings = {setting: training_precision(setting, "cuda") for setting in PRECISIONS}
    assert settings == {"auto": in_auto, "fp32": "fp32", "bf16": "bf16", "int8": "fp32"}


def no_sample() -> list[torch.Tensor]:
    raise AssertionError("only int8 needs a sample")


def test_fp32_is_the_network_itself_without_dropout(network: Any) -> None:
    inference = make_inference(network.train(), "fp32", 512, 7, no_sample).network
    assert isinstance(inference, PaddedNetwork)
    assert inference.network is network
    assert not network.training
    assert (inference.padding, inference.step, inference.max_width) == (7, 1, None)


def test_bf16_and_int8_have_networks_of_their_own(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: list[tuple[Any, ...]] = []
    monkeypatch.setattr(precision, "make_bf16_network", lambda *args: arguments.append(args))
    make_inference(network, "bf16", 512, 7, no_sample)
    assert arguments == [(network, 512, 7)]
    monkeypatch.setattr(precision, "make_int8_network", lambda *args: arguments.append(args))
    make_inference(network, "int8", 512, 7, lambda: SAMPLE)
    [(*others, ranges)] = arguments[1:]
    assert others == [network, 512, 7]
    assert ranges.keys() == observe(network, SAMPLE).ranges.keys()


def test_int8_is_refused_on_another_device_than_the_cpu(network: Any) -> None:
    with pytest.raises(ValueError, match=r"precision = 'int8' with the model on meta: .* auto, fp32, bf16"):
        make_inference(network.to("meta"), "int8", 512, 0, no_sample)
