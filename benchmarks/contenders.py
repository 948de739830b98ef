"""Who is measured: functions that make a run, which takes texts and gives the number of entities found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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

from craftner_spacy.annotation import component_of, load_pipeline
from craftner_spacy.model import TokenClassifierShim, shim_of

Run = Callable[[Sequence[str]], int]


def ours(folder: Path, precision: str = "auto") -> Run:
    """The component of this project, with its default settings."""
    return _piped(load_pipeline(str(folder), precision=precision))


def hf_token_pipe(folder: Path, **kwargs: Any) -> Run:
    """spacy-huggingface-pipelines; `kwargs` are those of its Hugging Face pipeline."""
    nlp = spacy.blank("en")
    nlp.add_pipe("hf_token_pipe", config={"model": str(folder), "kwargs": kwargs})
    return _piped(nlp)


def spacy_wrap(folder: Path) -> Run:
    """spacy-wrap, with its default settings."""
    import spacy_wrap  # noqa: F401 (registers its factory; an optional requirement)

    nlp = spacy.blank("en")
    nlp.add_pipe("token_classification_transformer", config={"model": {"name": str(folder)}})
    return _piped(nlp)


def transformers_pipeline(folder: Path) -> Run:
    """transformers alone, without spaCy; a stride, or it cuts long texts off."""
    tagger = pipeline("token-classification", model=str(folder), aggregation_strategy="first", stride=16)
    return lambda texts: sum(len(tagger(text)) for text in texts)


def _piped(nlp: Language) -> Run:
    return lambda texts: sum(len(doc.ents) for doc in nlp.pipe(texts))


def bare_forward(folder: Path, texts: Sequence[str]) -> tuple[Run, float]:
    """The network alone on the batches that the component makes of the texts: what there is to be reached.

    RETURNS: the run, which takes no account of the texts given to it, and its floating-point operations.
    """
    nlp = load_pipeline(str(folder))
    batches = batches_of(nlp, texts)
    shim = shim_of(component_of(nlp).model)

    def run(_: Sequence[str]) -> int:
        for batch in batches:
            shim.predict(batch)
        return 0

    return run, sum(operations(shim, batch) for batch in batches)


def batches_of(nlp: Language, texts: Sequence[str]) -> list[ArgsKwargs]:
    """What the network of a pipeline is given for these texts."""
    shim = shim_of(component_of(nlp).model)
    predict, batches = shim.predict, []

    def recorded(inputs: ArgsKwargs) -> torch.Tensor:
        batches.append(inputs)
        return predict(inputs)

    shim.predict = recorded  # type: ignore[method-assign]
    for _ in nlp.pipe(texts):
        pass
    shim.predict = predict  # type: ignore[method-assign]
    return batches


def operations(shim: TokenClassifierShim, batch: ArgsKwargs) -> float:
    """Floating-point operations of a BERT's matrix products on a batch, without those on padding.

    A layer of width d and inner width f takes 8d² + 4df for a wordpiece, and 4nd for its attention to the n
    wordpieces of its window.
    """
    config = shim._hfmodel.transformer.config
    d, f = config.hidden_size, config.intermediate_size
    lengths = batch.kwargs["attention_mask"].sum(dim=1).double()
    return float(config.num_hidden_layers * (lengths * (8 * d * d + 4 * d * f) + 4 * d * lengths**2).sum())


def make_fp32(small: Path, folder: Path) -> Path:
    """A folder with the weights of `small` in 32 bits, as hubs have them.

    They are shipped in 16, and what takes a folder's type for that of its computation would run them in
    float16, which is slow on a processor.
    """
    AutoModelForTokenClassification.from_pretrained(small, torch_dtype=torch.float32).save_pretrained(folder)
    AutoTokenizer.from_pretrained(small).save_pretrained(folder)
    return folder


def make_biobert_shape(small: Path, folder: Path, seed: int = 0) -> Path:
    """A folder with a token classifier of BioBERT's shape: random weights, tokenizer and tags of `small`."""
    tokenizer = AutoTokenizer.from_pretrained(small)
    tags = AutoConfig.from_pretrained(small).id2label
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer), id2label=tags, label2id={tag: i for i, tag in tags.items()}
    )
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
