"""The network for inference in bf16."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from craftner_spacy.folders import load_folder
from craftner_spacy.inference import bf16
from craftner_spacy.inference.bf16 import WIDTH_STEP, make_bf16_network
from craftner_spacy.inference.network import InferenceNetwork
from craftner_spacy.inference.packed_linear import PackedLinear, can_pack
from craftner_spacy.inference.padding import PaddedNetwork, pad
from craftner_spacy.inference.unpadded_bert import UnpaddedBert

PIECES = torch.tensor([2, 7, 9, 11, 3, 2, 8, 3])
LENGTHS = [5, 3]


def layers(network: InferenceNetwork) -> Iterator[nn.Module]:
    """All layers of a network for inference on the CPU."""
    if isinstance(network, UnpaddedBert):
        return network.bert.modules()
    assert isinstance(network, PaddedNetwork)
    return network.network.modules()


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
@pytest.mark.parametrize("max_pieces", [128, 513])
@pytest.mark.parametrize("may_pack", [True, False])
def test_the_copy_is_in_bf16_and_the_original_weights_stay(
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
    padding = network.config.pad_token_id
    copy = make_bf16_network(network, max_pieces, padding)
    fits = packs and folder == "tiny_model" and max_pieces == 128
    assert type(copy) is (UnpaddedBert if fits else PaddedNetwork)
    assert any(isinstance(layer, PackedLinear) for layer in layers(copy)) is packs
    if isinstance(copy, PaddedNetwork):
        assert (copy.step, copy.max_width) == (WIDTH_STEP, max_pieces)
    ids, mask = pad(PIECES, LENGTHS, max(LENGTHS), padding)
    with torch.inference_mode():
        logits = copy(PIECES, LENGTHS).float()
        expected = network(input_ids=ids, attention_mask=mask).logits[mask.bool()]
    assert logits == pytest.approx(expected, abs=0.2)
    assert not torch.equal(logits, expected)
    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
