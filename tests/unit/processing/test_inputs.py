"""Records: which are bad, where shards end, and what is said if an input changes."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from tiny_records import read_lines, sentence, write_lines
from tqdm import tqdm

from craftner_spacy.data.records import Record
from craftner_spacy.processing import inputs
from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.inputs import (
    Checked,
    Place,
    ReadPlan,
    check_records,
    make_shards,
    shard_numbers,
)
from craftner_spacy.processing.seen_ids import open_seen_ids
from craftner_spacy.processing.settings import BATCH_RECORDS, Settings
from craftner_spacy.processing.source_files import find_sources
from craftner_spacy.processing.workdir import WorkDir


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
            r"record 1: 2,000,000 characters: the pipeline takes up to 1,000,000 \(its nlp.max_length",
        ),
        ([{"id": 1, "text": "\ud800"}], r"record 1: it cannot be written as JSON: .*surrogates"),
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


def make_plan(path: Path, shard_characters: int, limit: int | None = None) -> ReadPlan:
    settings = Settings(
        limit=limit,
        skip_errors=True,
        text_field="text",
        id_field="id",
        make_ids=False,
        output_format="jsonl",
        shard_characters=shard_characters,
        engine="local",
    )
    return ReadPlan(find_sources([path], None).sources, settings, 1000, "")


def check(plan: ReadPlan, folder: Path) -> Checked:
    """What is known of the records once they are checked."""
    with open_seen_ids(folder / "ids.sqlite") as seen_ids, tqdm(disable=True) as bar:
        return check_records(plan, seen_ids, bar)


def test_texts_of_windows_are_read_with_their_encoding_or_the_error_names_the_option(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_bytes("caf\xe9".encode("cp1252"))
    (folder / "b.txt").write_bytes("na\xefve".encode("utf-16"))
    plan = make_plan(folder, shard_characters=1)
    [skipped] = check(plan, tmp_path).skipped
    assert skipped.file.endswith("a.txt")
    assert skipped.reason.startswith(
        "not UTF-8: byte 0xe9 at 3; --encoding names another one, such as cp1252"
    )
    plan = replace(plan, settings=replace(plan.settings, encoding="cp1252"))
    shards = make_shards(plan, check(plan, tmp_path))
    assert [record.text for shard in shards for record in shard.records] == ["caf\xe9", "na\xefve"]


def test_shards_hold_the_good_records_in_order_up_to_their_number(tmp_path: Path) -> None:
    n = 2 * BATCH_RECORDS + 10
    rows = [{"id": k, "text": "mouse"} for k in range(n)]
    rows[1] = {"id": 1}
    path = write_lines(tmp_path / "in.jsonl", rows)
    plan = make_plan(path, shard_characters=1, limit=n - 2)
    checked = check(plan, tmp_path)
    assert checked.n_records == n - 2
    assert [(row.place, row.file) for row in checked.skipped] == [(Place(0, 2), str(path))]
    ids = {shard.number: [int(record.id) for record in shard.records] for shard in make_shards(plan, checked)}
    good = [0, *range(2, n - 1)]
    assert ids == {
        0: good[:BATCH_RECORDS],
        1: good[BATCH_RECORDS : 2 * BATCH_RECORDS],
        2: good[2 * BATCH_RECORDS :],
    }


def test_shards_that_are_passed_over_do_not_change_the_next(tmp_path: Path) -> None:
    n = 3 * BATCH_RECORDS
    path = write_lines(tmp_path / "in.jsonl", [{"id": k, "text": "mouse"} for k in range(n)])
    plan = make_plan(path, shard_characters=1)
    shards = make_shards(plan, check(plan, tmp_path))
    assert [next(shards).number, next(shards).number] == [0, 1]
    assert [record.id for record in next(shards).records] == [str(k) for k in range(2 * BATCH_RECORDS, n)]


def test_records_are_skipped_by_their_place_however_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}, {"id": 1, "text": "yeast"}])
    checked = check(make_plan(path, shard_characters=1), tmp_path)
    monkeypatch.chdir(tmp_path)
    shards = make_shards(make_plan(Path("in.jsonl"), shard_characters=1), checked)
    assert [record.text for shard in shards for record in shard.records] == ["mouse"]


ROWS = [{"id": n, "text": "mouse", "year": 2000} for n in range(2 * BATCH_RECORDS + 3)]
CHANGES: dict[str, list[dict[str, Any]]] = {
    "a text of the same length": [*ROWS[:5], {**ROWS[5], "text": "yeast"}, *ROWS[6:]],
    "an id": [*ROWS[:5], {**ROWS[5], "id": 999}, *ROWS[6:]],
    "a field": [*ROWS[:-1], {**ROWS[-1], "year": 2001}],
    "a line that is bad now": [*ROWS[:5], {"id": 5}, *ROWS[6:]],
    "a line that JSON cannot hold": [*ROWS[:5], {**ROWS[5], "year": float("nan")}, *ROWS[6:]],
    "two lines in another order": [ROWS[1], ROWS[0], *ROWS[2:]],
    "a line more": [{"id": "new", "text": "mouse"}, *ROWS],
    "a line less, of the same shards": ROWS[:-1],
    "a shard less": ROWS[: 2 * BATCH_RECORDS],
    "nothing left": [],
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_input_that_changes_between_the_check_and_the_annotation_is_an_error(
    name: str, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "in.jsonl", ROWS)
    plan = make_plan(path, shard_characters=1)
    checked = check(plan, tmp_path)
    write_lines(path, CHANGES[name])
    with pytest.raises(ValueError, match="an input has changed since its records were checked"):
        [record for shard in make_shards(plan, checked) for record in shard.records]


def test_the_shards_before_a_change_are_kept_and_its_own_is_not_finished(
    many: Path, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, stat = many.read_bytes(), many.stat()
    begin = WorkDir.begin

    def change_afterwards(*args: Any) -> None:
        begin(*args)
        many.write_bytes(content.replace(b'"n": 70}', b'"n": 71}'))
        os.utime(many, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    with monkeypatch.context() as patch:
        patch.setattr(WorkDir, "begin", change_afterwards)
        with pytest.raises(ValueError, match="an input has changed"):
            annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert not (tmp_path / "out.jsonl").exists()
    assert [path.name for path in (tmp_path / "out.jsonl.work").glob("[0-9]*.jsonl")] == ["00000.jsonl"]
    many.write_bytes(content)
    os.utime(many, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert done.new_records == done.records - BATCH_RECORDS


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


@pytest.mark.parametrize("bad", [float("nan"), "\ud800"])
def test_a_record_that_json_cannot_hold_any_more_is_a_changed_one(
    bad: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse", "x": 0}])
    plan = make_plan(path, shard_characters=1)
    checked = check(plan, tmp_path)
    changed = [Record("1", "mouse", {"x": bad})]
    monkeypatch.setattr(inputs, "read_file", lambda *arguments: iter(changed))
    [shard] = make_shards(plan, checked)
    with pytest.raises(ValueError, match="an input has changed since its records were checked"):
        list(shard.records)
