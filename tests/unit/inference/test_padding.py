"""Concatenated windows to padded rows and back, and the network that reads such rows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from craftner_spacy.batching import min_cost_batches
from craftner_spacy.folders import load_folder
from craftner_spacy.inference.bf16 import WIDTH_STEP
from craftner_spacy.inference.padding import PaddedNetwork, pad


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(0, 5))
def test_rows_are_the_windows_and_their_padding(lengths: list[int], extra: int) -> None:
    pieces = torch.arange(sum(lengths)) + 1
    width = max(lengths) + extra
    ids, mask = pad(pieces, lengths, width, padding=-7)
    assert ids.shape == mask.shape == (len(lengths), width)
    assert ids.dtype == mask.dtype == torch.int64
    for row, is_piece, window in zip(ids, mask.bool(), pieces.split(lengths), strict=True):
        assert row.tolist() == [*window.tolist(), *[-7] * (width - len(window))]
        assert is_piece.tolist() == [i < len(window) for i in range(width)]
    # The way back.
    assert torch.equal(ids[mask.bool()], pieces)


class Recorder(nn.Module):
    """Keeps the ids and the mask that it is given; its logits are the ids."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> "Recorder":
        self.ids, self.mask = input_ids, attention_mask
        self.logits = input_ids[:, :, None]
        return self


@pytest.mark.parametrize(
    ("length", "max_pieces", "expected"), [(3, 512, 32), (32, 512, 32), (33, 512, 64), (97, 100, 100)]
)
def test_windows_are_padded_to_few_widths(length: int, max_pieces: int, expected: int) -> None:
    recorder = Recorder()
    pieces = torch.arange(2 * length)
    logits = PaddedNetwork(recorder, 0, WIDTH_STEP, max_pieces)(pieces, [length, length])
    assert tuple(recorder.ids.shape) == (2, expected)
    assert int(recorder.mask.sum()) == 2 * length
    assert torch.equal(logits[:, 0], pieces)


def test_without_a_step_windows_are_padded_to_the_longest() -> None:
    recorder = Recorder()
    logits = PaddedNetwork(recorder, padding=9)(torch.tensor([1, 2, 3, 4]), [1, 3])
    assert recorder.ids.tolist() == [[1, 9, 9], [2, 3, 4]]
    assert logits.tolist() == [[1], [2], [3], [4]]


def test_a_window_longer_than_the_largest_width_stays_whole() -> None:
    recorder = Recorder()
    PaddedNetwork(recorder, 0, step=4, max_width=6)(torch.arange(7), [7])
    assert recorder.ids.shape == (1, 7)


@pytest.mark.parametrize("step", [1, 8])
def test_batches_count_the_padding(step: int) -> None:
    lengths = np.array([3, 9, 4, 8, 17])
    batches = PaddedNetwork(Recorder(), 0, step).make_batches(lengths, 32)
    expected = min_cost_batches(-(-lengths // step) * step, 32)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in expected]
    for batch in batches:
        widths = -(-lengths[batch] // step) * step
        assert len(batch) * widths.max() <= 32


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
def test_logits_do_not_depend_on_the_padding(folder: str, request: pytest.FixtureRequest) -> None:
    network = load_folder(request.getfixturevalue(folder)).transformer.eval()
    padding = network.config.pad_token_id
    lengths = [5, 1, 12]
    pieces = torch.randint(5, network.config.vocab_size, (18,), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = PaddedNetwork(network, padding, 32, 128)(pieces, lengths)
        alone = [PaddedNetwork(network, padding)(window, [len(window)]) for window in pieces.split(lengths)]
    assert whole.shape == (18, len(network.config.id2label))
    assert torch.allclose(whole, torch.cat(alone), atol=1e-5)
