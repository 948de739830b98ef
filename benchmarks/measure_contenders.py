"""Words per second of the component, of others with the same weights, and of the network alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from contenders import (
    Run,
    bare_forward,
    hf_token_pipe,
    hf_token_pipe_int8,
    ours,
    spacy_wrap,
    transformers_pipeline,
)
from texts import KINDS, count_words, cut, take_words
from timing import interleaved

from craftner_spacy.inference.int8 import can_quantize
from craftner_spacy.inference.units import has_bf16_units


def by_model(
    shapes: Mapping[str, Path], texts: Sequence[str], words: Mapping[str, int], rounds: int
) -> dict[str, dict[str, Any]]:
    """What `compare` gives for each shape of model and each kind of text.

    shapes (Mapping[str, Path]): folder of the model by name of the shape.
    words (Mapping[str, int]): number of words of each kind of text, by name of the shape.
    """
    return {
        shape: {
            kind: compare(model, list(take_words(cut(texts, kind), words[shape])), rounds) for kind in KINDS
        }
        for shape, model in shapes.items()
    }


def compare(model: Path, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Words per second of each contender, and how many times as fast the component is."""
    network_alone, auto, operations = bare_forward(model, texts)
    runs: dict[str, Run] = {"craft_ner": ours(model), "network alone": network_alone}
    precisions = ["fp32", *(["bf16"] if has_bf16_units("cpu") else []), *(["int8"] if can_quantize() else [])]
    for precision in precisions:
        if precision != auto:
            runs[f"craft_ner, {precision}"] = ours(model, precision)
    runs["transformers pipeline"] = transformers_pipeline(model)
    runs["hf_token_pipe"] = hf_token_pipe(model)
    for batch_size in (8, 16):
        runs[f"hf_token_pipe, batch_size {batch_size}"] = hf_token_pipe(model, batch_size=batch_size)
    for batch_size in (1, 8):
        name = f"hf_token_pipe, batch_size {batch_size}"
        if has_bf16_units("cpu"):
            runs[f"{name}, bfloat16"] = hf_token_pipe(model, torch_dtype="bfloat16", batch_size=batch_size)
        runs[f"{name}, ONNX Runtime in int8"] = hf_token_pipe_int8(model, batch_size=batch_size)
    runs["spacy-wrap"] = spacy_wrap(model)
    seconds = interleaved(runs, texts, rounds)
    n_words = count_words(texts)
    ours_seconds = seconds["craft_ner"]
    return {
        "documents": len(texts),
        "precision": auto,
        "gflops": operations / median(ours_seconds) / 1e9,
        "contenders": {
            name: {
                "words_per_second": n_words / median(by_round),
                "times_as_fast": median(a / b for a, b in zip(by_round, ours_seconds, strict=True)),
            }
            for name, by_round in seconds.items()
        },
    }
