"""Inputs: which files and records are read, which are bad, and where shards end."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from tiny_records import read_lines, sentence, write_lines

from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.inputs import (
    ReadPlan,
    Skipped,
    describe_sources,
    find_sources,
    make_shards,
    shard_numbers,
)
from craftner_spacy.processing.settings import BATCH_RECORDS, Settings


def test_a_folder_gives_its_texts_by_path(tmp_path: Path, nlp: Language) -> None:
    (tmp_path / "in" / "b").mkdir(parents=True)
    (tmp_path / "in" / "z.txt").write_bytes(b"mouse\r\ncells")
    (tmp_path / "in" / "b" / "a.txt.gz").write_bytes(gzip.compress(b"yeast"))
    write_lines(tmp_path / "in" / "not.jsonl", [{"id": 1, "text": "x"}])
    annotate(tmp_path / "in", tmp_path / "out.jsonl", nlp)
    assert [(row["id"], row["text"]) for row in read_lines(tmp_path / "out.jsonl")] == [
        ("b/a", "yeast"),
        ("z", "mouse\r\ncells"),
    ]
    annotate(tmp_path / "in", tmp_path / "lines.jsonl", nlp, input_format="jsonl")
    assert [row["id"] for row in read_lines(tmp_path / "lines.jsonl")] == ["1"]


def test_an_input_that_does_not_exist_or_a_folder_without_files_is_an_error(
    tmp_path: Path, nlp: Language
) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such file or folder"):
        annotate(tmp_path / "nowhere", tmp_path / "out.jsonl", nlp)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no .txt file: give --input-format"):
        find_sources([tmp_path / "empty"], None)


def test_limit_made_ids_and_field_names(tmp_path: Path, nlp: Language) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"pmid": n, "abstract": sentence(n)} for n in range(4)])
    annotate(source, tmp_path / "a.jsonl", nlp, limit=2, text_field="abstract", id_field="pmid")
    assert [row["id"] for row in read_lines(tmp_path / "a.jsonl")] == ["0", "1"]
    annotate(source, tmp_path / "b.jsonl", nlp, text_field="abstract", make_ids=True)
    assert [row["id"] for row in read_lines(tmp_path / "b.jsonl")] == [f"in:{n}" for n in range(1, 5)]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"id": 1, "text": "a"}, {"text": "b"}], r"in.jsonl, record 2: it has no id \(field 'id'\)"),
        (
            [{"id": 1, "text": "a"}, {"id": "1", "text": "b"}],
            r"record 2: its id '1' is also that of .*in.jsonl, record 1",
        ),
        (
            [{"id": 1, "text": "a" * 2_000_000}],
            r"record 1: 2000000 characters: the pipeline takes up to 1000000",
        ),
        ([{"id": 1, "text": "\ud800"}], r"record 1: it cannot be written as JSON: .*surrogates"),
        (
            [{"id": 1, "text": "a", "n": float("nan")}],
            r"record 1: it cannot be written as JSON: Out of range",
        ),
        ([{"id": 1, "txt": "a"}], r"record 1: field 'text' has to be a string"),
        ([], r"no record to annotate in .*in.jsonl"),
    ],
)
def test_a_bad_record_is_an_error_with_file_and_number_before_any_is_annotated(
    rows: list[Any], reason: str, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(tmp_path / "in.jsonl", rows)
    monkeypatch.setattr(Language, "pipe", None)
    with pytest.raises(ValueError, match=reason):
        annotate(source, tmp_path / "out.jsonl", nlp)
    assert not (tmp_path / "out.jsonl").exists()


def test_an_id_is_unique_over_all_files(tmp_path: Path, nlp: Language) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("mouse", encoding="utf8")
    with pytest.raises(
        ValueError, match=r"b/x.txt, record 1: its id 'x' is also that of .*a/x.txt, record 1"
    ):
        annotate([tmp_path / "a", tmp_path / "b"], tmp_path / "out.jsonl", nlp)


def test_an_id_that_the_output_cannot_hold_is_an_error_before_any_record_is_annotated(
    tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(
        tmp_path / "in.jsonl", [{"id": name, "text": "mouse"} for name in ("1", "PMC|2", "3")]
    )
    out = tmp_path / "out.pubtator"
    with monkeypatch.context() as patch:
        patch.setattr(Language, "pipe", None)
        with pytest.raises(ValueError, match=r"in.jsonl, record 2: its id 'PMC\|2' contains '\|'"):
            annotate(source, out, nlp)
    done = annotate(source, out, nlp, skip_errors=True)
    assert (done.records, done.words, done.entities, done.skipped) == (2, 2, 2, 1)
    assert read_lines(tmp_path / "out.pubtator.skipped.jsonl") == [
        {
            "file": str(source),
            "record": 2,
            "reason": "its id 'PMC|2' contains '|', which the output's format cannot hold",
        }
    ]
    assert annotate(source, tmp_path / "out.jsonl", nlp).records == 3


def test_the_description_of_the_files_changes_with_them(tmp_path: Path) -> None:
    paths = [write_lines(tmp_path / name, [{"id": 1, "text": "mouse"}]) for name in ("a.jsonl", "b.jsonl")]
    before = describe_sources(find_sources(paths, None))
    assert (before["files"], before["bytes"]) == (2, sum(path.stat().st_size for path in paths))
    assert describe_sources(find_sources(paths, None)) == before
    assert describe_sources(find_sources(paths[::-1], None))["digest"] != before["digest"]
    paths[1].write_bytes(paths[1].read_bytes() + b"\n")
    assert describe_sources(find_sources(paths, None))["digest"] != before["digest"]


def make_plan(path: Path, shard_characters: int) -> ReadPlan:
    settings = Settings(
        limit=None,
        skip_errors=True,
        text_field="text",
        id_field="id",
        make_ids=False,
        output_format="jsonl",
        shard_characters=shard_characters,
        engine="local",
    )
    return ReadPlan(find_sources([path], None), settings, 1000, "")


def test_shards_hold_the_good_records_in_order_up_to_their_number(tmp_path: Path) -> None:
    n = 2 * BATCH_RECORDS + 10
    path = write_lines(tmp_path / "in.jsonl", [{"id": k, "text": "mouse"} for k in range(n)])
    skipped = [Skipped(str(path), 2, "a reason")]
    shards = make_shards(make_plan(path, shard_characters=1), n - 2, skipped)
    ids = {shard.number: [int(record.id) for record in shard.records] for shard in shards}
    good = [0, *range(2, n - 1)]
    assert ids == {
        0: good[:BATCH_RECORDS],
        1: good[BATCH_RECORDS : 2 * BATCH_RECORDS],
        2: good[2 * BATCH_RECORDS :],
    }


def test_shards_that_are_passed_over_do_not_change_the_next(tmp_path: Path) -> None:
    n = 3 * BATCH_RECORDS
    path = write_lines(tmp_path / "in.jsonl", [{"id": k, "text": "mouse"} for k in range(n)])
    shards = make_shards(make_plan(path, shard_characters=1), n, [])
    assert [next(shards).number, next(shards).number] == [0, 1]
    assert [record.id for record in next(shards).records] == [str(k) for k in range(2 * BATCH_RECORDS, n)]


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 50), st.integers(1, 5))
def test_a_shard_ends_with_the_first_batch_that_fills_it(
    lengths: list[int], characters: int, batch: int
) -> None:
    numbers = list(shard_numbers(lengths, characters, batch))
    assert len(numbers) == len(lengths)
    shards = [
        [length for number, length in zip(numbers, lengths, strict=True) if number == shard]
        for shard in range(max(numbers, default=-1) + 1)
    ]
    assert [length for shard in shards for length in shard] == lengths
    for shard in shards[:-1]:
        assert len(shard) % batch == 0
        assert sum(shard) >= characters > sum(shard[:-batch])
