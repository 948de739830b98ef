"""What is measured in a process of its own: CPU features, memory, the time to start, spaCy's own benchmark.

The programs are the files of this folder whose names begin with ``print_``. Each prints numbers in its last
line.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from timing import timed

FOLDER = Path(__file__).resolve().parent
# The features of the CPU that torch's libraries are told to use.
CPU_FEATURES = {
    "all": {},
    "no bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    "AVX2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
}


def print_numbers(program: str, *arguments: Any, environment: Mapping[str, str] = {}) -> list[float]:
    """Run a program of this folder in a process of its own.

    program (str): its name, without suffix.
    environment (Mapping[str, str]): further environment variables.
    RETURNS: the numbers in the last line that it prints.
    RAISES: CalledProcessError if it fails.
    """
    done = subprocess.run(
        [sys.executable, FOLDER / f"{program}.py", *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def by_cpu_features(model: Path, articles: Path) -> dict[str, dict[str, float]]:
    """Words per second in each numeric precision, by the CPU features that torch's libraries may use."""
    return {
        features: {
            precision: print_numbers(
                "print_words_per_second", model, articles, precision, environment=environment
            )[0]
            for precision in ("fp32", "bf16", "int8")
        }
        for features, environment in CPU_FEATURES.items()
    }


def peak_memory(model: Path, articles: Path) -> dict[str, float]:
    """Peak memory in MB of a process that annotates ten articles, by contender."""
    return {
        name: print_numbers("print_peak_memory", name, model, articles)[0]
        for name in ("ours", "hf_token_pipe")
    }


def memory_of_stream(model: Path, articles: Path, n: int) -> dict[str, float]:
    """Resident memory in MB of a process after the 1,000th and the last of `n` documents."""
    counts = (min(1_000, n - 1), n)
    memory = print_numbers("print_stream_memory", model, articles, *counts)
    return dict(zip(map(str, counts), memory, strict=True))


def first_entities(python: str, rounds: int) -> float:
    """Seconds from the start of Python to the first entities of the small model, the median of the rounds.

    python (str): the interpreter. Its packages matter: transformers imports optional ones, such as
        scikit-learn, if they are installed.
    """
    # Isolated, so that the installed package is measured and not the folder of the sources.
    command = [python, "-I", str(FOLDER / "find_first_entities.py")]
    return median(timed(subprocess.check_call, command) for _ in range(rounds))


def spacy_benchmark(packaged: Path, devel: Path) -> str:
    """What spaCy's own benchmark prints for a packaged pipeline: words per second, and their interval.

    RAISES: ValueError if it prints no mean; CalledProcessError if it fails.
    """
    command = [sys.executable, "-m", "spacy", "benchmark", "speed", str(packaged), str(devel)]
    # The defaults take long on whole articles (50 batches, three rounds to warm up), and batches of 1,000
    # articles take 20 GB of memory.
    command += ["--batches", "30", "--warmup", "1", "--batch-size", "2"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    mean = re.search(r"Mean: .*", printed)
    if not mean:
        raise ValueError(f"{' '.join(command)} printed no mean: {printed}")
    return mean[0]
