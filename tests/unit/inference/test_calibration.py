"""The ranges of a network's inputs: from the sample, for every layer that the network uses."""

from pathlib import Path

import pytest
import torch
from torch import nn

from craftner_spacy.folders import load_folder
from craftner_spacy.inference.calibration import SAMPLE, observe, probability_change, sample_windows
from craftner_spacy.inference.padding import PaddedNetwork
from craftner_spacy.sources import find_folder
from craftner_spacy.wordpieces import special_pieces


@pytest.mark.parametrize("max_pieces", [16, 500])
def test_the_sample_is_read_whole_in_windows(tiny_model: Path, max_pieces: int) -> None:
    tokenizer = load_folder(tiny_model).tokenizer
    special = special_pieces(tokenizer)
    windows = sample_windows(tokenizer, special, max_pieces)
    assert len(windows) >= len(SAMPLE)
    for window in windows:
        assert special.number < len(window) <= max_pieces + special.number
        assert window[: len(special.prefix)].tolist() == special.prefix
        assert window[len(window) - len(special.suffix) :].tolist() == special.suffix


def test_wordpieces_from_all_over_the_vocabulary_are_in_the_sample(tiny_model: Path) -> None:
    tokenizer = load_folder(tiny_model).tokenizer
    *_, window = sample_windows(tokenizer, special_pieces(tokenizer), 500)
    ids = window[1:-1].tolist()
    assert len(ids) > min(64, len(tokenizer) // 2)
    assert ids[0] < len(tokenizer) / 8
    assert ids[-1] > len(tokenizer) * 7 / 8


def test_the_shipped_vocabulary_covers_the_sample() -> None:
    tokenizer = load_folder(find_folder("small", "main")).tokenizer
    windows = sample_windows(tokenizer, special_pieces(tokenizer), 500)
    assert [tokenizer.decode(window)[:10] for window in windows[:2]] == ["[CLS] loss", "[CLS] back"]
    assert tokenizer.unk_token_id not in torch.cat(windows[:-1])


def test_ranges_hold_all_inputs_of_all_windows(tiny_model: Path) -> None:
    network = load_folder(tiny_model).transformer.eval()
    windows = [torch.tensor([2, 7, 9, 3]), torch.tensor([2, 11, 3])]
    ranges = observe(network, windows).ranges
    assert ranges.keys() == {name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)}
    with torch.inference_mode():
        states = [network.bert(input_ids=window[None]).last_hidden_state[0] for window in windows]
    low, high = torch.aminmax(torch.cat(states), dim=0)
    assert torch.allclose(ranges["classifier"].low, low)
    assert torch.allclose(ranges["classifier"].high, high)
    assert not any(layer._forward_pre_hooks for layer in network.modules()), "no hook stays"


def test_the_change_is_the_probability_that_goes_to_other_tags(tiny_model: Path) -> None:
    network = load_folder(tiny_model).transformer.eval()
    windows = [torch.tensor([2, 7, 9, 3]), torch.tensor([2, 11, 3])]
    probabilities = observe(network, windows).probabilities
    assert probabilities.shape == (7, network.config.num_labels)
    same = PaddedNetwork(network, 0)
    assert probability_change(same, windows, probabilities) == pytest.approx(0.0, abs=1e-6)
    certain = torch.zeros_like(probabilities)
    certain[:, 1] = 1.0
    expected = 1 - probabilities[:, 1].mean()
    assert probability_change(same, windows, certain) == pytest.approx(float(expected), abs=1e-6)
