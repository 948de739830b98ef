"""The files of the engine on Ray: shards are written once, and come back in order."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from craftner_spacy.data.records import Record
from craftner_spacy.processing.inputs import Shard
from craftner_spacy.processing.ray_data import ENTITIES, _read_shard, read_in_order, write_shards
from craftner_spacy.types import Entity, LinkedConcept


def test_parts_come_back_in_order_and_once(tmp_path: Path) -> None:
    concept = {"id": "X:1", "name": "neuron", "score": 0.75}

    def write(name: str, numbers: list[int]) -> None:
        rows = [
            {
                "number": n,
                "record": json.dumps({"id": str(n), "text": f"text {n}", "year": n}),
                "entities": [{"start": 0, "end": 4, "label": "Cell", "score": 0.5, "concept": concept}]
                if n % 2
                else [],
            }
            for n in numbers
        ]
        schema = pa.schema([("number", pa.int64()), ("record", pa.string()), ("entities", ENTITIES)])
        (tmp_path / "output").mkdir(exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "output" / f"{name}.parquet")

    write("a", [4, 5])
    write("b", [2, 0, 1])
    write("c", [3, 6])
    write("d", [4, 5])
    cell = (Entity(0, 4, "Cell", 0.5, LinkedConcept("X:1", "neuron", 0.75)),)
    assert list(read_in_order(tmp_path)) == [
        Record(str(n), f"text {n}", {"year": n}, (), cell if n % 2 else ()) for n in range(7)
    ]


def test_a_stop_while_shards_are_written_leaves_none(tmp_path: Path) -> None:
    def shards(n_records: int) -> Iterator[Shard]:
        records = [Record(str(number), "a\u2028b", {}) for number in range(n_records)]
        for number in range(0, n_records, 2):
            yield Shard(number // 2, iter(records[number : number + 2]))
        if n_records < 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(tmp_path, shards(4))
    assert not (tmp_path / "input").exists()
    write_shards(tmp_path, shards(5))
    files = sorted((tmp_path / "input").iterdir())
    assert [int(path.stem) for path in files] == [0, 2, 4]
    tables = [table for path in files for table in _read_shard(path)]
    assert [number for table in tables for number in table["number"].to_pylist()] == list(range(5))
    assert json.loads(tables[1]["record"][0].as_py())["text"] == "a\u2028b"


def test_shards_that_are_written_already_stay(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    write_shards(tmp_path, iter([Shard(0, iter([Record("1", "mouse", {})]))]))
    assert not list((tmp_path / "input").iterdir())
