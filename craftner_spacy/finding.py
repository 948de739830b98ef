"""Texts in, entities out: `find`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from spacy.language import Language

from .locking import LOADING
from .pipelines import get_component, load_pipeline
from .span_group import read_span_group


@dataclass(frozen=True)
class FoundEntity:
    """An entity of a text.

    text (str): its words.
    label (str): its label.
    score (float | None): how likely it is, in [0, 1]; None: another component of the pipeline added it.
    start, end (int): half-open, in characters of the text.
    concept (str | None): the id of its concept, such as "CL:0000540"; None: none is known.
    concept_name (str | None): the concept's name; "" if the pipeline knows the id alone.
    concept_score (float | None): how likely it is the right concept, in [0, 1].
    """

    text: str
    label: str
    score: float | None
    start: int
    end: int
    concept: str | None = None
    concept_name: str | None = None
    concept_score: float | None = None


def find(
    texts: Iterable[str],
    model: str | Language = "small",
    *,
    threshold: float | None = None,
    batch_tokens: int | None = None,
    precision: str | None = None,
    label_map: Mapping[str, str] | None = None,
    kb: str = "auto",
) -> list[list[FoundEntity]]:
    """Find the entities of texts, and the ids of their concepts. Threads may call it at the same time.

    A pipeline that is named is loaded once; the two that were used last are kept.

    texts (Iterable[str]): the texts.
    model (str | Language): as for `annotate`: a name, a folder or package, or a loaded pipeline.
    threshold (float | None), batch_tokens (int | None), precision (str | None), label_map (Mapping | None):
        as of `craft_ner` and its model; None: as the pipeline has them. Not allowed for a loaded pipeline.
    kb (str): what gives the entities ids, as for `annotate`: 'bundled', the file of a knowledge base, or
        'none'; 'auto': the `craft_linker` of the pipeline, if it has one, and 'bundled' for a model.
    RETURNS (list[list[FoundEntity]]): of each text, in the order of the text.
    RAISES: ValueError for one text in place of several, a wrong setting, or a text that the pipeline's error
        handler left out; what `pipelines.load_pipeline` and loading the weights raise.

    >>> found = find(["Sox9 in zebrafish", "no entity"])
    >>> [[(e.text, e.label, e.concept, e.concept_name) for e in entities] for entities in found]
    [[('Sox9', 'Protein', 'PR:000015435', 'transcription factor SOX-9'),
      ('zebrafish', 'Taxon', 'NCBITaxon:7955', 'Danio rerio')], []]
    """
    if isinstance(texts, str):
        raise ValueError(f"texts = {texts[:40]!r}: allowed is a list of texts; for one text, find([text])[0]")
    settings: dict[str, Any] = {"threshold": threshold, "batch_tokens": batch_tokens, "precision": precision}
    if isinstance(model, Language):
        nlp = load_pipeline(model, label_map=label_map, kb=kb, **settings)
    else:
        names = None if label_map is None else tuple(sorted(label_map.items()))
        with LOADING:
            nlp = _named_pipeline(model, names, kb=kb, **settings)
    spans_key = get_component(nlp).spans_key
    assert spans_key is not None  # load_pipeline has checked it
    texts = list(texts)
    found = [
        [
            FoundEntity(doc.text[e.start : e.end], e.label, e.score, e.start, e.end, *(e.concept or ()))
            for e in read_span_group(doc, spans_key)
        ]
        for doc in nlp.pipe(texts)
    ]
    if len(found) != len(texts):
        raise ValueError(
            f"the pipeline's error handler left out {len(texts) - len(found)} of {len(texts)} texts: "
            "it has to raise the error"
        )
    return found


@lru_cache(maxsize=2)
def _named_pipeline(model: str, label_map: tuple[tuple[str, str], ...] | None, **settings: Any) -> Language:
    """A pipeline for `find` alone, whose tokens may be cut at the edges of entities."""
    nlp = load_pipeline(model, label_map=None if label_map is None else dict(label_map), **settings)
    get_component(nlp).alignment_mode = "split"
    return nlp
