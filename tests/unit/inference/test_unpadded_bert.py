"""BERT without padding gives what the network itself gives."""

from copy import deepcopy

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from tiny_models import make_tiny_model
from transformers import BertConfig, BertForTokenClassification

from craftner_spacy.batching import greedy_batches
from craftner_spacy.folders import load_folder
from craftner_spacy.inference import unpadded_bert
from craftner_spacy.inference.bf16 import pack_bert
from craftner_spacy.inference.packed_linear import PackedLinear
from craftner_spacy.inference.padding import PaddedNetwork
from craftner_spacy.inference.unpadded_bert import GROUP_PIECES, WIDTH_STEP, UnpaddedBert, group_windows


@given(st.lists(st.integers(1, 600), max_size=80))
def test_every_window_is_in_one_group(lengths: list[int]) -> None:
    groups = group_windows(lengths)
    assert [length for group in groups for length in group.lengths] == lengths
    row = 0
    for group in groups:
        assert group.first == row
        row += sum(group.lengths)
        assert group.width % WIDTH_STEP == 0
        assert group.width - WIDTH_STEP < min(group.lengths)
        assert max(group.lengths) <= group.width
        n = len(group.lengths)
        assert n == 1 or n * group.width <= GROUP_PIECES
        assert n.bit_count() == 1


def make_pieces(lengths: list[int], vocabulary: int) -> torch.Tensor:
    """Windows of random wordpieces, concatenated."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(5, vocabulary, (sum(lengths),), generator=generator)


def padded_logits(
    network: BertForTokenClassification, pieces: torch.Tensor, lengths: list[int]
) -> torch.Tensor:
    """What the network itself gives, for windows in padded rows."""
    return PaddedNetwork(network, padding=0)(pieces, lengths)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> BertForTokenClassification:
    folder = make_tiny_model(tmp_path_factory.mktemp("unpadded"), max_positions=128)
    return load_folder(folder).transformer.eval()


@pytest.fixture(scope="module")
def unpadded(network: BertForTokenClassification) -> UnpaddedBert:
    return pack_bert(network, deepcopy(network))


@given(st.lists(st.integers(1, 128), min_size=1, max_size=12))
def test_it_gives_what_the_network_gives(
    network: BertForTokenClassification, unpadded: UnpaddedBert, lengths: list[int]
) -> None:
    pieces = make_pieces(lengths, network.config.vocab_size)
    with torch.inference_mode():
        expected, logits = padded_logits(network, pieces, lengths), unpadded(pieces, lengths)
    assert logits.shape == expected.shape == (sum(lengths), network.config.num_labels)
    assert torch.allclose(logits, expected, atol=1e-5)


def test_windows_do_not_see_each_other(unpadded: UnpaddedBert) -> None:
    lengths = [40, 30, 30, 17]
    pieces = make_pieces(lengths, unpadded.bert.config.vocab_size)
    with torch.inference_mode():
        batched = unpadded(pieces, lengths).split(lengths)
        for window, logits in zip(pieces.split(lengths), batched, strict=True):
            assert torch.allclose(logits, unpadded(window, [len(window)]), atol=1e-5)


@pytest.mark.parametrize("setting", [{"hidden_act": "relu"}, {"hidden_size": 30, "num_attention_heads": 3}])
def test_networks_of_other_settings(setting: dict[str, object]) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(**{**sizes, "intermediate_size": 40, **setting})
    network = BertForTokenClassification(config).eval()
    lengths = [20, 7]
    pieces = make_pieces(lengths, 50)
    with torch.inference_mode():
        logits = pack_bert(network, deepcopy(network))(pieces, lengths)
        assert torch.allclose(logits, padded_logits(network, pieces, lengths), atol=1e-5)


def test_a_window_of_nan_spoils_no_other(network: BertForTokenClassification) -> None:
    lengths = [20, 17, 30]
    pieces = make_pieces(lengths, network.config.vocab_size)
    spoilt_piece = int(pieces[0])
    spoilt = deepcopy(network)
    with torch.no_grad():
        spoilt.bert.embeddings.word_embeddings.weight[spoilt_piece] = float("nan")
    others = pieces[20:]
    others[others == spoilt_piece] = 5
    with torch.inference_mode():
        logits = pack_bert(spoilt, deepcopy(spoilt))(pieces, lengths).split(lengths)
        expected = padded_logits(network, pieces, lengths).split(lengths)
    assert logits[0].isnan().all()
    assert torch.allclose(logits[1], expected[1], atol=1e-5)
    assert torch.allclose(logits[2], expected[2], atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "n_exact"),
    [
        # Within the range of exponentials.
        ([[0.0, 1.0, 2.0], [70.0, 69.0, 0.0], [-40.0, -41.0, -40.0]], 0),
        # A sum that is finite, but too near the end of the range.
        ([[0.0, 1.0, 2.0], [82.0, 81.0, 82.0], [0.0, 0.0, 0.0]], 1),
        # A sum that is not zero, but whose terms may be lost.
        ([[0.0, 1.0, 2.0], [-60.0, -61.0, -60.0], [0.0, 0.0, 0.0]], 1),
        # Sums that are infinite, and zero.
        ([[0.0, 1.0, 2.0], [200.0, 199.0, 0.0], [0.0, 0.0, 0.0]], 1),
        ([[0.0, 1.0, 2.0], [-200.0, -201.0, -200.0], [0.0, 0.0, 0.0]], 1),
    ],
)
def test_attention_scores_of_any_size(
    rows: list[list[float]], n_exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The keys are the unit matrix, so that the queries are the scores; the first matrix is in the safe range.
    queries = torch.tensor([[[0.0, 1.0, 2.0]] * 3, rows])
    keys = torch.eye(3)[None]
    values = torch.arange(9.0).view(1, 3, 3) + 1
    # The last wordpiece is padding.
    is_piece = torch.tensor([1.0, 1.0, 0.0])[None, :, None]
    with_ones = torch.cat([values, torch.ones(1, 3, 1)], dim=2) * is_piece
    counts: list[int] = []
    attend_exactly = unpadded_bert._attend_exactly

    def count(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        counts.append(len(queries))
        return attend_exactly(queries, keys, values)

    monkeypatch.setattr(unpadded_bert, "_attend_exactly", count)
    attended = unpadded_bert._attend(queries, keys.repeat(2, 1, 1), with_ones.repeat(2, 1, 1))
    shares = torch.softmax(queries[:, :, :2].double(), dim=-1)
    assert torch.allclose(attended.double(), shares @ values[:, :2].double(), rtol=1e-5)
    assert sum(counts) == n_exact


@pytest.mark.parametrize("lengths", [[32, 32, 32], [37, 20]])
def test_a_head_with_large_scores(network: BertForTokenClassification, lengths: list[int]) -> None:
    sharp = deepcopy(network)
    # One of two heads, so that the scores of the other are in the safe range.
    attention = sharp.bert.encoder.layer[0].attention.self
    with torch.no_grad():
        attention.query.bias[: attention.attention_head_size] += 40.0
        attention.key.weight[: attention.attention_head_size] *= 30.0
        attention.key.bias[: attention.attention_head_size] += 40.0
    pieces = make_pieces(lengths, network.config.vocab_size)
    with torch.inference_mode():
        logits = pack_bert(sharp, deepcopy(sharp))(pieces, lengths)
        assert torch.allclose(logits, padded_logits(sharp, pieces, lengths), atol=1e-4)


def test_shapes_of_products_are_few(unpadded: UnpaddedBert, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: set[int] = set()
    products: set[tuple[int, ...]] = set()
    forward, add, bmm = PackedLinear.forward, PackedLinear.forward_and_add, torch.bmm

    def count_forward(layer: PackedLinear, inputs: torch.Tensor) -> torch.Tensor:
        rows.add(len(inputs))
        return forward(layer, inputs)

    def count_add(layer: PackedLinear, inputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        rows.add(len(inputs))
        return add(layer, inputs, others)

    def count_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        products.add((*left.shape, right.shape[-1]))
        return bmm(left, right)

    monkeypatch.setattr(PackedLinear, "forward", count_forward)
    monkeypatch.setattr(PackedLinear, "forward_and_add", count_add)
    monkeypatch.setattr(torch, "bmm", count_product)
    with torch.inference_mode():
        for n_windows in range(1, 17):
            for length in range(65, 129, 7):
                lengths = [length] * n_windows
                unpadded(make_pieces(lengths, unpadded.bert.config.vocab_size), lengths)
    assert 10 < len(rows) <= 512 // 32 + 12
    # Widths of 96 and 128; one, two or four windows; scores and values.
    assert len(products) == 2 * 3 * 2


@pytest.mark.parametrize(
    ("setting", "fits"),
    [
        ({}, True),
        ({"position_embedding_type": "relative_key"}, False),
        ({"is_decoder": True}, False),
    ],
)
def test_which_networks_fit(setting: dict[str, object], fits: bool) -> None:
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    network = BertForTokenClassification(BertConfig(**sizes, intermediate_size=16, **setting))
    assert UnpaddedBert.fits(network, 512) is fits
    assert not UnpaddedBert.fits(network, 513)
    assert not UnpaddedBert.fits(network.bert, 512)


def test_batches_are_filled_without_regard_to_padding(unpadded: UnpaddedBert) -> None:
    lengths = np.array([100, 20, 90, 30, 128, 5])
    batches = unpadded.make_batches(lengths, 256)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in greedy_batches(lengths, 256)]
