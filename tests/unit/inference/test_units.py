"""Units of a device for products in few bits."""

import pytest
import torch

from craftner_spacy.inference.units import has_bf16_units, is_slow_in_int8, prefers_int8


@pytest.mark.parametrize(
    ("features", "bf16", "int8", "slow"),
    [
        (["avx2"], False, False, True),
        (["avx2", "avx_vnni"], False, False, False),
        (["avx2", "avx512_f"], False, False, False),
        (["avx2", "avx512_f", "avx512_vnni"], False, True, False),
        (["avx2", "avx512_f", "avx512_vnni", "avx512_bf16"], True, True, False),
        (["avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"], True, False, False),
        ([], False, False, False),
    ],
)
def test_units_of_the_cpu(
    features: list[str], bf16: bool, int8: bool, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    capabilities = {"avx512_vnni": False, **dict.fromkeys(features, True)}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert (has_bf16_units("cpu"), prefers_int8("cpu")) == (bf16, int8)
    assert is_slow_in_int8() == slow
    assert (has_bf16_units("mps"), prefers_int8("mps")) == (False, False)


def test_a_torch_that_cannot_tell_has_no_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bf16_units("cpu")
    assert not prefers_int8("cpu")


@pytest.mark.parametrize("has_units", [True, False])
def test_emulated_units_of_a_gpu_do_not_count(has_units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_supported(including_emulation: bool) -> bool:
        return has_units or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert has_bf16_units("cuda") is has_units
    assert not prefers_int8("cuda")
