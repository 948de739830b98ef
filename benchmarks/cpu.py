"""The CPU of this machine: its name, and the speed of its matrix products."""

import platform
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from timing import timed

from craftner_spacy.inference.int8 import can_quantize
from craftner_spacy.inference.quantized_linear import IntegerProduct, Integers
from craftner_spacy.inference.units import has_bf16_units

SIZE = 2048


def describe() -> dict[str, Any]:
    """Name, threads of torch, and GFLOP/s of matrix products in each precision that it has units for."""
    gflops = {"fp32": product_gflops(torch.matmul, *_matrices(torch.float32))}
    if has_bf16_units("cpu"):
        # Without units for it, bf16 is emulated and very slow.
        gflops["bf16"] = product_gflops(torch.matmul, *_matrices(torch.bfloat16))
    if can_quantize():
        product = IntegerProduct(torch.rand(SIZE, SIZE), torch.zeros(SIZE), Integers(1.0, 0))
        integers = torch.randint(0, 255, (SIZE, SIZE), dtype=torch.uint8)
        gflops["int8"] = product_gflops(product, integers, torch.float32)
    return {"name": name(), "threads": torch.get_num_threads(), "gflops": gflops}


def name() -> str:
    """The name of the CPU; its architecture where the name is unknown."""
    cpuinfo = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return match[1] if match else platform.machine()


def product_gflops(product: Callable[..., Any], *inputs: Any, rounds: int = 5) -> float:
    """GFLOP/s of a product of two square matrices of `SIZE`: the median of some rounds."""
    product(*inputs)
    return 2 * SIZE**3 / median(timed(product, *inputs) for _ in range(rounds)) / 1e9


def _matrices(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(SIZE, SIZE).to(dtype), torch.rand(SIZE, SIZE).to(dtype)
