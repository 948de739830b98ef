"""Which units a device has for products of matrices in few bits."""

import torch


def has_bf16_units(device: str) -> bool:
    """Whether the device multiplies matrices faster in bf16 than in fp32.

    device (str): its type: 'cpu', 'cuda', ...
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and _has_cpu_feature("amx_bf16", "avx512_bf16")


def prefers_int8(device: str) -> bool:
    """Whether the device multiplies matrices faster in int8 than in bf16 and fp32, as it was measured.

    Such are CPUs with AVX512-VNNI. Those with AMX, or with VNNI for AVX2 alone, were not at hand.

    device (str): its type: 'cpu', 'cuda', ...
    """
    return (
        device == "cpu" and _has_cpu_feature("avx512_vnni") and not _has_cpu_feature("amx_bf16", "amx_int8")
    )


def is_slow_in_int8() -> bool:
    """Whether the CPU has AVX2 alone, with which int8 is far slower than fp32."""
    return _has_cpu_feature("avx2") and not _has_cpu_feature("avx512_f", "avx_vnni")


def _has_cpu_feature(*names: str) -> bool:
    """Whether the CPU has one of these features at least; False where this version of torch cannot tell."""
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in names)
