"""The command ``find``."""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from .options import GpuId, Kb, LabelMap, Model, Precision, Threshold, parse_label_map, use_gpu

if TYPE_CHECKING:
    from ..finding import FoundEntity

BATCH_TEXTS = 64
"""Texts that are read from standard input before their entities are printed."""


def find_command(
    texts: Annotated[
        list[str], typer.Argument(help="texts; - for the lines of standard input", metavar="TEXT")
    ],
    model: Model = "small",
    threshold: Threshold = None,
    precision: Precision = None,
    label_map: LabelMap = None,
    kb: Kb = "auto",
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="print a line of JSON for each text")
    ] = False,
    gpu_id: GpuId = -1,
) -> None:
    """Find the entities of texts, and print them.

    A line for each entity: its words, label, score, start and end in characters, id and name of its concept,
    with tabs between them; an empty line between two texts.

    RAISES: what `finding.find` raises.
    """
    names = parse_label_map(label_map)
    from ..finding import find

    use_gpu(gpu_id)
    stream = _texts(texts)
    is_first = True
    while batch := list(islice(stream, BATCH_TEXTS)):
        found = find(batch, model, threshold=threshold, precision=precision, label_map=names, kb=kb)
        for text, entities in zip(batch, found, strict=True):
            if json_lines:
                typer.echo(_json_line(text, entities))
            else:
                typer.echo(("" if is_first else "\n") + _rows(entities), nl=False)
            is_first = False


def _texts(arguments: list[str]) -> Iterator[str]:
    for text in arguments:
        if text == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin)
        else:
            yield text


def _json_line(text: str, entities: "list[FoundEntity]") -> str:
    from ..data.jsonl import entity_as_json
    from ..types import Entity, LinkedConcept

    rows = []
    for e in entities:
        concept = None
        if e.concept is not None:
            concept = LinkedConcept(e.concept, e.concept_name or "", e.concept_score)
        rows.append(entity_as_json(Entity(e.start, e.end, e.label, e.score, concept), text))
    line = json.dumps({"text": text, "entities": rows}, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        # Where a terminal cannot show a character, its escape is to be one of JSON's.
        return json.dumps({"text": text, "entities": rows})
    return line


def _rows(entities: "list[FoundEntity]") -> str:
    rows = []
    for e in entities:
        score = "" if e.score is None else f"{e.score:.3f}"
        concept = f"{e.concept or ''}\t{e.concept_name or ''}"
        rows.append(f"{' '.join(e.text.split())}\t{e.label}\t{score}\t{e.start}\t{e.end}\t{concept}\n")
    return "".join(rows)
