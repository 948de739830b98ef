"""The numeric precision of inference: what `auto` takes, and the network for each precision."""

from pathlib import Path
from typing import Any

import pytest
import torch

from craftner_spacy.folders import load_folder
from craftner_spacy.inference import precision
from craftner_spacy.inference.padding import PaddedNetwork
from craftner_spacy.inference.precision import PRECISIONS, make_network, resolve_precision


@pytest.mark.parametrize(("units", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_where_the_device_has_units(
    units: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[str] = []

    def has_units(device: str) -> bool:
        devices.append(device)
        return units

    monkeypatch.setattr(precision, "has_bf16_units", has_units)
    assert resolve_precision("auto", "cuda") == expected
    assert devices == ["cuda"]


def no_sample() -> list[torch.Tensor]:
    raise AssertionError("only int8 needs a sample")


@pytest.mark.parametrize("setting", [name for name in PRECISIONS if name != "auto"])
def test_a_named_precision_is_used_on_any_device(setting: str) -> None:
    assert resolve_precision(setting, "cpu") == resolve_precision(setting, "cuda") == setting


def test_fp32_is_the_network_itself_without_dropout(tiny_model: Path) -> None:
    network = load_folder(tiny_model).transformer.train()
    inference = make_network(network, "fp32", 512, 7, no_sample)
    assert isinstance(inference, PaddedNetwork)
    assert inference.network is network
    assert not network.training
    assert (inference.padding, inference.step, inference.max_width) == (7, 1, None)


def test_bf16_and_int8_have_networks_of_their_own(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: list[tuple[Any, ...]] = []
    monkeypatch.setattr(precision, "make_bf16_network", lambda *args: arguments.append(args))
    network = load_folder(tiny_model).transformer.eval()
    make_network(network, "bf16", 512, 7, no_sample)
    assert arguments == [(network, 512, 7)]
    monkeypatch.setattr(precision, "make_int8_network", lambda *args: arguments.append(args))
    sample = [torch.tensor([2, 7, 3])]
    make_network(network, "int8", 512, 7, lambda: sample)
    assert arguments[1:] == [(network, 512, 7, sample)]


def test_int8_is_refused_on_another_device_than_the_cpu(tiny_model: Path) -> None:
    # Torch's device without memory stands for a GPU, which the tests do without.
    network = load_folder(tiny_model).transformer.to("meta")
    with pytest.raises(ValueError, match=r"precision = 'int8' with the model on meta: .* auto, fp32, bf16"):
        make_network(network, "int8", 512, 0, no_sample)
