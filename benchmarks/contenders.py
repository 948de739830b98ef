"""The components that are measured, as runs: functions that take texts and return the number of entities."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import spacy
import torch
from spacy.language import Language
from thinc.types import ArgsKwargs
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForTokenClassification,
    pipeline,
)

from craftner_spacy.model import get_shim
from craftner_spacy.pipelines import get_component, load_pipeline

Run = Callable[[Sequence[str]], int]


def ours(folder: Path, precision: str = "auto") -> Run:
    """The component of this project, with its default settings."""
    return _piped(load_pipeline(str(folder), precision=precision))


def hf_token_pipe(folder: Path, **kwargs: Any) -> Run:
    """spacy-huggingface-pipelines; `kwargs` are those of its Hugging Face pipeline."""
    nlp = spacy.blank("en")
    nlp.add_pipe("hf_token_pipe", config={"model": str(folder), "kwargs": kwargs})
    return _piped(nlp)


def hf_token_pipe_int8(folder: Path, **kwargs: Any) -> Run:
    """The same by ONNX Runtime in int8: weights quantized by output, activations as each batch needs."""
    from optimum.onnxruntime import ORTModelForTokenClassification, ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    nlp = spacy.blank("en")
    pipe: Any = nlp.add_pipe("hf_token_pipe", config={"model": str(folder), "kwargs": kwargs})
    settings = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    with TemporaryDirectory() as target:
        ORTModelForTokenClassification.from_pretrained(folder, export=True).save_pretrained(target)
        ORTQuantizer.from_pretrained(target).quantize(settings, save_dir=target)
        pipe.hf_pipeline.model = ORTModelForTokenClassification.from_pretrained(
            target, file_name="model_quantized.onnx"
        )
    return _piped(nlp)


def spacy_wrap(folder: Path) -> Run:
    """spacy-wrap, with its default settings."""
    import spacy_wrap  # noqa: F401 (registers its factory; an optional requirement)

    nlp = spacy.blank("en")
    nlp.add_pipe("token_classification_transformer", config={"model": {"name": str(folder)}})
    return _piped(nlp)


def transformers_pipeline(folder: Path) -> Run:
    """transformers without spaCy. With a stride, since it truncates long texts otherwise."""
    tagger = pipeline("token-classification", model=str(folder), aggregation_strategy="first", stride=16)
    return lambda texts: sum(len(tagger(text)) for text in texts)


def _piped(nlp: Language) -> Run:
    return lambda texts: sum(len(doc.ents) for doc in nlp.pipe(texts))


def bare_forward(folder: Path, texts: Sequence[str]) -> tuple[Run, str, float]:
    """The network alone, on the batches that the component makes of some texts: an upper limit of the speed.

    RETURNS: the run, which ignores the texts that it is given, its precision, and its operations.
    """
    nlp = load_pipeline(str(folder))
    batches = batches_of(nlp, texts)
    shim = get_shim(get_component(nlp).model)

    def run(_: Sequence[str]) -> int:
        for batch in batches:
            shim.predict(batch)
        return 0

    n_operations = sum(operations(shim.network.config, batch.args[1]) for batch in batches)
    return run, shim.inference_precision, n_operations


def batches_of(nlp: Language, texts: Sequence[str]) -> list[ArgsKwargs]:
    """The inputs of a pipeline's network for some texts: concatenated wordpieces, and window lengths."""
    shim = get_shim(get_component(nlp).model)
    predict, batches = shim.predict, []

    def recorded(inputs: ArgsKwargs) -> torch.Tensor:
        batches.append(inputs)
        return predict(inputs)

    shim.predict = recorded  # type: ignore[method-assign]
    for _ in nlp.pipe(texts):
        pass
    shim.predict = predict  # type: ignore[method-assign]
    return batches


def operations(config: Any, lengths: Sequence[int]) -> float:
    """Operations of the matrix products of a BERT, not counting padding.

    For one wordpiece, a layer with hidden size d and intermediate size f needs 8d² + 4df, and 4nd for
    attention to the n wordpieces of the window.

    config (BertConfig): of the network.
    lengths (Sequence[int]): wordpieces of each window.
    """
    d, f = config.hidden_size, config.intermediate_size
    n = np.array(lengths, dtype=np.float64)
    return float(config.num_hidden_layers * (n * (8 * d * d + 4 * d * f) + 4 * d * n**2).sum())


def make_fp32(small: Path, folder: Path) -> Path:
    """Write the weights of `small` in 32 bits, as models on the hub have them.

    They are shipped in 16 bits. Other components compute in the dtype of the file, and float16 is slow on
    CPUs.
    """
    AutoModelForTokenClassification.from_pretrained(small, torch_dtype=torch.float32).save_pretrained(folder)
    AutoTokenizer.from_pretrained(small).save_pretrained(folder)
    return folder


def make_biobert_shape(small: Path, folder: Path, seed: int = 0) -> Path:
    """Write a token classifier of BioBERT's shape, with random weights and tokenizer and tags of `small`."""
    tokenizer = AutoTokenizer.from_pretrained(small)
    tags = AutoConfig.from_pretrained(small).id2label
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer), id2label=tags, label2id={tag: i for i, tag in tags.items()}
    )
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
