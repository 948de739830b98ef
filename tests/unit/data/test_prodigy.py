"""Prodigy's JSON Lines."""

import json

from format_files import read_bytes, reasons

from craftner_spacy.data.records import Record
from craftner_spacy.types import Entity

TASK = {
    "text": "a mouse",
    "meta": {"source": "x"},
    "_task_hash": 5,
    "tokens": [{"text": "a", "start": 0, "end": 1, "id": 0}],
    "spans": [{"start": 2, "end": 7, "token_start": 1, "token_end": 1, "label": "Taxon"}],
    "answer": "accept",
}


def test_spans_of_accepted_tasks_are_entities() -> None:
    plain = {"text": "none"}
    content = "".join(json.dumps(row) + "\n" for row in (TASK, plain)).encode()
    assert read_bytes("prodigy", content) == [
        Record(
            "",
            "a mouse",
            {"meta": {"source": "x"}, "_task_hash": 5, "answer": "accept"},
            (),
            (Entity(2, 7, "Taxon"),),
        ),
        Record("", "none", {}),
    ]
    assert read_bytes("prodigy", content, entities=False)[0].entities == ()


def test_other_tasks_are_counted_as_bad_records() -> None:
    rows = [{**TASK, "answer": "reject"}, {**TASK, "spans": [{"start": 2, "end": 70, "label": "T"}]}, 7]
    lines = [*(json.dumps(row) for row in rows), "{"]
    rejected, outside, number, broken = reasons("prodigy", "\n".join(lines).encode())
    assert rejected == "its answer is 'reject': accepted tasks are read"
    assert outside == "an entity at 2 to 70 is not in the text, which ends at 7"
    assert number == "a task has to be an object with fields, not 7"
    assert broken is not None
    assert broken.startswith("not JSON")
