"""The CPU of this machine: its name, and the speed of its matrix products."""

import platform
import re
from pathlib import Path
from statistics import median
from typing import Any

import torch
from timing import timed

from craftner_spacy.inference.bf16 import has_bf16_units


def describe() -> dict[str, Any]:
    """Name, threads of torch, whether there are units for bf16, and GFLOP/s of matrix products by dtype."""
    gflops = {"fp32": matmul_gflops(torch.float32)}
    if has_bf16_units("cpu"):
        # Without units for it, bf16 is emulated and very slow.
        gflops["bf16"] = matmul_gflops(torch.bfloat16)
    return {
        "name": name(),
        "threads": torch.get_num_threads(),
        "bf16_units": has_bf16_units("cpu"),
        "gflops": gflops,
    }


def name() -> str:
    """The name of the CPU; its architecture where the name is unknown."""
    cpuinfo = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return match[1] if match else platform.machine()


def matmul_gflops(dtype: torch.dtype, size: int = 2048, rounds: int = 5) -> float:
    """GFLOP/s of matrix products of this dtype: the median of some rounds."""
    a, b = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    torch.matmul(a, b)
    return 2 * size**3 / median(timed(torch.matmul, a, b) for _ in range(rounds)) / 1e9
