"""BERT without padding: what it gives is what the network itself gives."""

from copy import deepcopy

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from tiny_models import make_tiny_model
from transformers import BertConfig, BertForTokenClassification

from craftner_spacy import unpadded_bert
from craftner_spacy.packed_linear import PackedLinear
from craftner_spacy.sources import load_folder
from craftner_spacy.unpadded_bert import GROUP_PIECES, WIDTH_STEP, UnpaddedBert, group_windows


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


def batch(lengths: list[int], vocabulary: int) -> dict[str, torch.Tensor]:
    """Windows of random wordpieces."""
    mask = torch.tensor([[int(i < n) for i in range(max(lengths))] for n in lengths])
    ids = torch.randint(5, vocabulary, mask.shape, generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> BertForTokenClassification:
    folder = make_tiny_model(tmp_path_factory.mktemp("unpadded"), max_positions=128)
    return load_folder(folder).transformer.eval()


@pytest.fixture(scope="module")
def unpadded(network: BertForTokenClassification) -> UnpaddedBert:
    return UnpaddedBert(network, deepcopy(network))


@given(st.lists(st.integers(1, 128), min_size=1, max_size=12))
def test_it_gives_what_the_network_gives(
    network: BertForTokenClassification, unpadded: UnpaddedBert, lengths: list[int]
) -> None:
    inputs = batch(lengths, network.config.vocab_size)
    own = inputs["attention_mask"].bool()
    with torch.inference_mode():
        expected, found = network(**inputs).logits, unpadded(**inputs).logits
    assert found.shape == expected.shape
    assert torch.allclose(found[own], expected[own], atol=1e-5)
    assert not found[~own].any()


def test_windows_do_not_see_each_other(unpadded: UnpaddedBert) -> None:
    inputs = batch([40, 30, 30, 17], unpadded.bert.config.vocab_size)
    with torch.inference_mode():
        together = unpadded(**inputs).logits
        for i, n in enumerate([40, 30, 30, 17]):
            alone = unpadded(**{name: given[i : i + 1, :n] for name, given in inputs.items()}).logits
            assert torch.allclose(together[i, :n], alone[0], atol=1e-5)


@pytest.mark.parametrize("setting", [{"hidden_act": "relu"}, {"hidden_size": 30, "num_attention_heads": 3}])
def test_networks_of_other_settings(setting: dict[str, object]) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(**{**sizes, "intermediate_size": 40, **setting})
    network = BertForTokenClassification(config).eval()
    inputs = batch([20, 7], 50)
    own = inputs["attention_mask"].bool()
    with torch.inference_mode():
        found = UnpaddedBert(network, deepcopy(network))(**inputs).logits
        assert torch.allclose(found[own], network(**inputs).logits[own], atol=1e-5)


def test_a_window_that_is_spoilt_spoils_no_other(network: BertForTokenClassification) -> None:
    inputs = batch([20, 17, 30], network.config.vocab_size)
    spoilt = deepcopy(network)
    with torch.no_grad():
        spoilt.bert.embeddings.word_embeddings.weight[inputs["input_ids"][0, 0]] = float("nan")
    inputs["input_ids"][1:][inputs["input_ids"][1:] == inputs["input_ids"][0, 0]] = 5
    with torch.inference_mode():
        found = UnpaddedBert(spoilt, deepcopy(spoilt))(**inputs).logits
        expected = network(**inputs).logits
    assert found[0, :20].isnan().all()
    assert torch.allclose(found[1, :17], expected[1, :17], atol=1e-5)
    assert torch.allclose(found[2], expected[2], atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "exactly"),
    [
        # Within what an exponential holds.
        ([[0.0, 1.0, 2.0], [70.0, 69.0, 0.0], [-40.0, -41.0, -40.0]], 0),
        # A sum that is finite, but too near the end.
        ([[0.0, 1.0, 2.0], [82.0, 81.0, 82.0], [0.0, 0.0, 0.0]], 1),
        # A sum that is no zero, but whose parts may be lost.
        ([[0.0, 1.0, 2.0], [-60.0, -61.0, -60.0], [0.0, 0.0, 0.0]], 1),
        # Sums that are infinite, and zero.
        ([[0.0, 1.0, 2.0], [200.0, 199.0, 0.0], [0.0, 0.0, 0.0]], 1),
        ([[0.0, 1.0, 2.0], [-200.0, -201.0, -200.0], [0.0, 0.0, 0.0]], 1),
    ],
)
def test_scores_of_any_size(rows: list[list[float]], exactly: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Keys of which the products are the queries themselves; a matrix beside that is right as it is.
    both = torch.tensor([[[0.0, 1.0, 2.0]] * 3, rows])
    keys = torch.eye(3)[None]
    values = torch.arange(9.0).view(1, 3, 3) + 1
    # The last wordpiece makes the window up.
    ones = torch.tensor([1.0, 1.0, 0.0])[None, :, None]
    with_ones = torch.cat([values, torch.ones(1, 3, 1)], dim=2) * ones
    counted: list[int] = []
    attend_exactly = unpadded_bert._attend_exactly

    def count(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        counted.append(len(queries))
        return attend_exactly(queries, keys, values)

    monkeypatch.setattr(unpadded_bert, "_attend_exactly", count)
    found = unpadded_bert._attend(both, keys.repeat(2, 1, 1), with_ones.repeat(2, 1, 1))
    shares = torch.softmax(both[:, :, :2].double(), dim=-1)
    assert torch.allclose(found.double(), shares @ values[:, :2].double(), rtol=1e-5)
    assert sum(counted) == exactly


@pytest.mark.parametrize("lengths", [[32, 32, 32], [37, 20]])
def test_a_head_with_large_scores(
    network: BertForTokenClassification, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sharp = deepcopy(network)
    # One of two heads, so that the other's are right as they are.
    attention = sharp.bert.encoder.layer[0].attention.self
    with torch.no_grad():
        attention.query.bias[: attention.attention_head_size] += 40.0
        attention.key.weight[: attention.attention_head_size] *= 30.0
        attention.key.bias[: attention.attention_head_size] += 40.0
    inputs = batch(lengths, network.config.vocab_size)
    own = inputs["attention_mask"].bool()
    with torch.inference_mode():
        found = UnpaddedBert(sharp, deepcopy(sharp))(**inputs).logits
        assert torch.allclose(found[own], sharp(**inputs).logits[own], atol=1e-4)


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
                unpadded(**batch([length] * n_windows, unpadded.bert.config.vocab_size))
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
