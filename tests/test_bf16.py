"""Inference in bf16: what of the processor is asked for, and the network for it."""

import pytest
import torch
from torch import nn

from craftner_spacy import bf16
from craftner_spacy.bf16 import PaddedNetwork, copy_in_bf16, has_bf16_units
from craftner_spacy.packed_linear import PackedLinear, can_pack
from craftner_spacy.sources import load_folder
from craftner_spacy.unpadded_bert import UnpaddedBert

INPUTS = {
    "input_ids": torch.tensor([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "avx2": True}, False),
        ({}, False),
    ],
)
def test_units_of_the_processor(
    found: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert has_bf16_units("cpu") is expected
    assert has_bf16_units("mps") is False


@pytest.mark.parametrize("has_units", [True, False])
def test_units_of_a_graphics_card_are_real_ones(has_units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_supported(including_emulation: bool) -> bool:
        return has_units or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert has_bf16_units("cuda") is has_units


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
@pytest.mark.parametrize("max_pieces", [128, 513])
@pytest.mark.parametrize("may_pack", [True, False])
def test_the_copy_is_in_bf16_and_the_own_weights_stay(
    folder: str,
    max_pieces: int,
    may_pack: bool,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packs = may_pack and can_pack()
    monkeypatch.setattr(bf16, "can_pack", lambda: packs)
    network = load_folder(request.getfixturevalue(folder)).transformer.eval()
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    state = torch.get_rng_state()
    copy = copy_in_bf16(network, max_pieces)
    fits = packs and folder == "tiny_model" and max_pieces == 128
    assert type(copy) is (UnpaddedBert if fits else PaddedNetwork)
    assert any(isinstance(module, PackedLinear) for module in copy.modules()) is packs
    own = INPUTS["attention_mask"].bool()
    with torch.inference_mode():
        found, wanted = copy(**INPUTS).logits.float(), network(**INPUTS).logits
    assert found[own] == pytest.approx(wanted[own], abs=0.2)
    assert not torch.equal(found[own], wanted[own])
    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


class Recorder(nn.Module):
    """Keeps the shape of what it is given; its logits are the ids."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> "Recorder":
        self.shape = tuple(input_ids.shape)
        self.n_own = int(attention_mask.sum())
        self.logits = input_ids[:, :, None]
        return self


@pytest.mark.parametrize(
    ("length", "max_pieces", "expected"), [(3, 512, 32), (32, 512, 32), (33, 512, 64), (97, 100, 100)]
)
def test_windows_are_padded_to_few_lengths(length: int, max_pieces: int, expected: int) -> None:
    recorder = Recorder()
    ids = torch.arange(2 * length).view(2, length)
    logits = PaddedNetwork(recorder, max_pieces)(ids, torch.ones_like(ids)).logits
    assert recorder.shape == (2, expected)
    assert recorder.n_own == 2 * length
    assert torch.equal(logits[:, :, 0], ids)
