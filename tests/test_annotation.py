"""Files in, annotated files out: the same whatever happens on the way, and clear words for what cannot be."""

import errno
import gzip
import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from hub import run_python
from spacy.language import Language
from spacy.tokens import Doc
from tiny_records import sentence, write_lines

import craftner_spacy
from craftner_spacy import annotation
from craftner_spacy.alignment import Entity
from craftner_spacy.annotation import BATCH_RECORDS, annotate, describe_model, find_sources, load_pipeline
from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.formats import FORMATS, doc_entities

WRITABLE = [(row.name, row.suffixes[0]) for row in FORMATS if row.write is not None]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


@pytest.fixture(scope="module")
def nlp(pipeline: Path) -> Language:
    return spacy.load(pipeline)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Records for some shards of one batch each."""
    rows = ({"id": n, "text": sentence(n), "n": n} for n in range(5 * BATCH_RECORDS + 3))
    return write_lines(tmp_path / "many.jsonl", rows)


# What comes out


def test_entities_are_the_pipelines_and_fields_stay(tmp_path: Path, nlp: Language, many: Path) -> None:
    done = annotate(many, tmp_path / "out.jsonl", nlp)
    rows = lines(tmp_path / "out.jsonl")
    docs = list(nlp.pipe([row["text"] for row in rows], batch_size=BATCH_RECORDS))
    assert [row["n"] for row in rows] == list(range(done.records))
    for row, doc in zip(rows, docs, strict=True):
        assert [(e["start"], e["end"], e["label"], e["score"]) for e in row["entities"]] == [
            tuple(e) for e in doc_entities(doc, "craft_ner")
        ]
        assert all(e["text"] == row["text"][e["start"] : e["end"]] for e in row["entities"])
    n_entities = sum(len(row["entities"]) for row in rows)
    assert n_entities > done.records
    assert done[:5] == (tmp_path / "out.jsonl", len(rows), 8 * len(rows), n_entities, 0)
    assert not list(tmp_path.glob("*.work"))


def test_the_package_gives_annotate_and_loads_nothing_before() -> None:
    loaded = '{"torch", "spacy", "craftner_spacy.annotation"} & set(sys.modules)'
    run_python(f"import sys, craftner_spacy\nassert not {loaded}", {})
    assert craftner_spacy.annotate is annotate
    with pytest.raises(AttributeError, match="no attribute 'annotated'"):
        craftner_spacy.annotated  # noqa: B018


def test_exact_characters_come_out_also_where_tokens_are_longer(
    tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Entity(0, 5, "Protein", 0.9), Entity(5, 7, "Sequence", 0.4)]
    monkeypatch.setattr(CraftNER, "predict", lambda self, docs: [found for _ in docs])
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "SirT1ko mice"}])
    annotate(source, tmp_path / "out.jsonl", nlp)
    (row,) = lines(tmp_path / "out.jsonl")
    assert row["entities"] == [
        {"start": 0, "end": 5, "label": "Protein", "score": 0.9, "text": "SirT1"},
        {"start": 5, "end": 7, "label": "Sequence", "score": 0.4, "text": "ko"},
    ]


@pytest.mark.parametrize(("name", "suffix"), WRITABLE)
def test_every_output_format_has_the_same_entities(
    name: str, suffix: str, tmp_path: Path, nlp: Language
) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": n, "text": sentence(n)} for n in range(3)])
    annotate(source, tmp_path / "out.jsonl", nlp)
    annotate(source, tmp_path / f"other{suffix}.gz", nlp)
    back = annotate(tmp_path / f"other{suffix}.gz", tmp_path / "back.jsonl", nlp)
    assert back.records == 3
    assert [row["entities"] for row in lines(tmp_path / "back.jsonl")] == [
        row["entities"] for row in lines(tmp_path / "out.jsonl")
    ]


def test_folders_give_their_texts_by_name(tmp_path: Path, nlp: Language) -> None:
    (tmp_path / "in" / "b").mkdir(parents=True)
    (tmp_path / "in" / "z.txt").write_bytes(b"mouse\r\ncells")
    (tmp_path / "in" / "b" / "a.txt.gz").write_bytes(gzip.compress(b"yeast"))
    write_lines(tmp_path / "in" / "not.jsonl", [{"id": 1, "text": "x"}])
    annotate(tmp_path / "in", tmp_path / "out.jsonl", nlp)
    assert [(row["id"], row["text"]) for row in lines(tmp_path / "out.jsonl")] == [
        ("b/a", "yeast"),
        ("z", "mouse\r\ncells"),
    ]
    annotate(tmp_path / "in", tmp_path / "lines.jsonl", nlp, input_format="jsonl")
    assert [row["id"] for row in lines(tmp_path / "lines.jsonl")] == ["1"]


def test_limit_ids_and_field_names(tmp_path: Path, nlp: Language) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"pmid": n, "abstract": sentence(n)} for n in range(4)])
    annotate(source, tmp_path / "a.jsonl", nlp, limit=2, text_field="abstract", id_field="pmid")
    assert [row["id"] for row in lines(tmp_path / "a.jsonl")] == ["0", "1"]
    annotate(source, tmp_path / "b.jsonl", nlp, text_field="abstract", make_ids=True)
    assert [row["id"] for row in lines(tmp_path / "b.jsonl")] == [f"in:{n}" for n in range(1, 5)]


def test_settings_of_a_run_reach_the_component(pipeline: Path, tiny_model: Path) -> None:
    for model in (pipeline, tiny_model):
        found = describe_model(load_pipeline(str(model), threshold=0.5, batch_tokens=77, precision="bf16"))
        assert (found["threshold"], found["batch_tokens"], found["precision"]) == (0.5, 77, "bf16")
        found = describe_model(load_pipeline(str(model), threshold=None))
        assert (found["threshold"], found["batch_tokens"]) == (0.0, 2048)


def test_two_processes_find_the_same(tmp_path: Path, nlp: Language, many: Path) -> None:
    annotate(many, tmp_path / "one.jsonl", nlp)
    annotate(many, tmp_path / "two.jsonl", nlp, n_process=2)
    one, two = lines(tmp_path / "one.jsonl"), lines(tmp_path / "two.jsonl")
    assert [[e["text"] for e in row["entities"]] for row in one] == [
        [e["text"] for e in row["entities"]] for row in two
    ]


# Stopped and started again


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Records for six shards, with bad ones and a duplicate among them."""
    rows: list[dict[str, Any]] = [{"id": n, "text": sentence(n)} for n in range(6 * BATCH_RECORDS - 5)]
    rows[70] = {"id": 70}
    rows[200] = {"id": 3, "text": "again"}
    return write_lines(tmp_path / "mixed.jsonl", rows)


def test_killed_at_any_moment_the_output_is_the_same(pipeline: Path, mixed: Path, tmp_path: Path) -> None:
    program = Path(__file__).parent / "killed.py"
    arguments = [str(pipeline), str(mixed), str(tmp_path), "3"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-I", str(program), *arguments], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"16 kills; finished shards at each: \[(.*)\]\n", done.stdout)
    assert found is not None, done.stdout
    shards = [int(number) for number in found[1].split(", ")]
    # At the named calls. The last of them is among those that remove the folder, in the disk's order.
    assert shards[:12] == [0, 0, 0, 3, 6, 0, 0, 2, 6, 0, 0, 6]
    assert shards[12] in (5, 6)
    # At moments that depend on the machine.
    assert all(0 <= number <= 6 for number in shards[13:])
    rows = lines(tmp_path / "whole.jsonl")
    n_records = 6 * BATCH_RECORDS - 5
    assert [row["id"] for row in rows] == [str(n) for n in range(n_records) if n not in (70, 200)]
    assert lines(tmp_path / "whole.jsonl.skipped.jsonl") == [
        {
            "file": str(mixed),
            "record": 71,
            "reason": "field 'text' has to be a text, not None; fields: ['id']",
        },
        {"file": str(mixed), "record": 201, "reason": f"its id '3' is that of {mixed}, record 4, too"},
    ]


class StopError(Exception):
    """Ends a run where a test wants it to end."""


@pytest.fixture
def stopped(tmp_path: Path, many: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output that a run was about to write when it was stopped, with two shards finished."""
    real = annotation._write_whole

    def write(path: Path, content: Iterable[bytes]) -> None:
        if path.name == "00002.jsonl":
            raise StopError
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(annotation, "_write_whole", write)
        with pytest.raises(StopError):
            annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert len(list((tmp_path / "out.jsonl.work").glob("[0-9]*.jsonl"))) == 2
    return tmp_path / "out.jsonl"


def test_a_second_start_does_only_what_is_left(stopped: Path, many: Path, nlp: Language) -> None:
    done = annotate(many, stopped, nlp, shard_characters=1)
    assert (done.records, done.new_records) == (5 * BATCH_RECORDS + 3, 3 * BATCH_RECORDS + 3)
    assert done.new_words == 8 * done.new_records


def test_another_process_goes_on_too(stopped: Path, many: Path, pipeline: Path) -> None:
    arguments = f"{str(many)!r}, {str(stopped)!r}, {str(pipeline)!r}, shard_characters=1"
    run_python(
        f"import craftner_spacy\ndone = craftner_spacy.annotate({arguments})\n"
        f"assert done.new_records == {3 * BATCH_RECORDS + 3}, done",
        {},
    )


def test_other_settings_inputs_or_models_do_not_mix(
    stopped: Path, many: Path, nlp: Language, pipeline: Path
) -> None:
    with pytest.raises(
        ValueError, match=r"manifest.json is of other work \(settings.limit: None then, 9 now\)"
    ):
        annotate(many, stopped, nlp, shard_characters=1, limit=9)
    with pytest.raises(ValueError, match=r"model\.threshold: 0\.0 then, 0\.7 now"):
        annotate(many, stopped, load_pipeline(str(pipeline), threshold=0.7), shard_characters=1)
    other = spacy.blank("en")
    other.add_pipe("craft_ner")
    with pytest.raises(ValueError, match=r"model\.digest: "):
        annotate(many, stopped, other, shard_characters=1)
    with many.open("a", encoding="utf8") as file:
        file.write('{"id": "new", "text": "mouse"}\n')
    with pytest.raises(ValueError, match=r"inputs.bytes: \d+ then, \d+ now"):
        annotate(many, stopped, nlp, shard_characters=1)
    assert len(list(stopped.with_name("out.jsonl.work").glob("[0-9]*.jsonl"))) == 2


def test_a_model_is_described_alike_whenever_it_is_loaded(pipeline: Path) -> None:
    assert describe_model(load_pipeline(str(pipeline))) == describe_model(load_pipeline(str(pipeline)))


def test_a_full_disk_is_told_and_work_goes_on_when_there_is_room(
    many: Path, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            OSError, match=r"No space left on device. What is done so far is in .*out.jsonl.work"
        ):
            annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    done = annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert done.new_records == done.records - 2 * BATCH_RECORDS


def test_a_device_without_room_for_the_output_is_told(stopped: Path, many: Path, nlp: Language) -> None:
    unfinished = stopped.with_name("out.jsonl.work") / "output.tmp"
    unfinished.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        annotate(many, stopped, nlp, shard_characters=1)
    unfinished.unlink()
    assert annotate(many, stopped, nlp, shard_characters=1).new_records == 0


def test_leftovers_without_a_manifest_are_not_gone_on_with(many: Path, tmp_path: Path, nlp: Language) -> None:
    work = tmp_path / "out.jsonl.work"
    work.mkdir()
    (work / "00000.jsonl").write_bytes(b"old")
    done = annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert done.new_records == done.records


def test_a_killed_process_is_an_error_and_the_same_command_goes_on(
    pipeline: Path, many: Path, tmp_path: Path, nlp: Language
) -> None:
    mark = tmp_path / "kill"
    mark.touch()
    code = f"""
import os, signal, sys
from pathlib import Path
import spacy
from spacy.language import Language
from craftner_spacy.__main__ import app

@Language.component("killer")
def killer(doc):
    if doc.text == {sentence(4 * BATCH_RECORDS)!r} and os.path.exists({str(mark)!r}):
        os.unlink({str(mark)!r})
        os.kill(os.getpid(), signal.SIGKILL)
    return doc

if __name__ == "__main__":
    nlp = spacy.load({str(pipeline)!r})
    nlp.add_pipe("killer", first=True)
    nlp.to_disk({str(tmp_path / "killer")!r})
    arguments = ["--model", {str(tmp_path / "killer")!r}, "--n-process", "2"]
    app(["annotate", {str(many)!r}, "-o", {str(tmp_path / "out.jsonl")!r}, *arguments])
"""
    killed = run_python(code, dict(os.environ), check=False, timeout=100)
    assert killed.returncode == 1
    assert killed.stderr.splitlines()[-1].startswith("Error: a process of n_process = 2 was killed")
    assert "the same command goes on" in killed.stderr
    assert not mark.exists()
    assert not (tmp_path / "out.jsonl").exists()
    assert run_python(code, dict(os.environ), timeout=100).stdout.startswith(f"{tmp_path / 'out.jsonl'}: 323")
    annotate(many, tmp_path / "alone.jsonl", nlp)
    assert [[e["text"] for e in row["entities"]] for row in lines(tmp_path / "out.jsonl")] == [
        [e["text"] for e in row["entities"]] for row in lines(tmp_path / "alone.jsonl")
    ]


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_record_that_an_error_handler_drops_is_told(
    n_process: int, tmp_path: Path, pipeline: Path, many: Path
) -> None:
    @Language.component("picky")
    def picky(doc: Doc) -> Doc:
        if doc.text == sentence(70):
            raise ValueError("not this one")
        return doc

    nlp = spacy.load(pipeline)
    nlp.add_pipe("picky", first=True)
    nlp.set_error_handler(lambda name, pipe, docs, err: None)
    with pytest.raises(ValueError, match=r"left out \d+ of the 64 records from id '64' on"):
        annotate(many, tmp_path / "out.jsonl", nlp, n_process=n_process)


def test_a_damaged_shard_is_told(stopped: Path, many: Path, nlp: Language) -> None:
    shard = stopped.with_name("out.jsonl.work") / "00001.jsonl"
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"00001.jsonl is damaged \(no JSON"):
        annotate(many, stopped, nlp, shard_characters=1)


# What cannot be


def test_an_output_that_is_there_is_left_alone(tmp_path: Path, nlp: Language) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    out = tmp_path / "out.jsonl"
    out.write_text("mine", encoding="utf8")
    with pytest.raises(FileExistsError, match=r"out.jsonl is there already.*--overwrite"):
        annotate(source, out, nlp)
    assert out.read_text(encoding="utf8") == "mine"
    assert annotate(source, out, nlp, overwrite=True).records == 1
    with pytest.raises(ValueError, match=r"in.jsonl is one of the inputs"):
        annotate(source, source, nlp, overwrite=True)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"id": 1, "text": "a"}, {"text": "b"}], r"in.jsonl, record 2: it has no id \(field 'id'\)"),
        (
            [{"id": 1, "text": "a"}, {"id": "1", "text": "b"}],
            r"record 2: its id '1' is that of .*in.jsonl, record 1",
        ),
        (
            [{"id": 1, "text": "a" * 2_000_000}],
            r"record 1: 2000000 characters: the pipeline takes up to 1000000",
        ),
        ([{"id": 1, "text": "\ud800"}], r"record 1: it cannot be written again: .*surrogates"),
        ([{"id": 1, "text": "a", "n": float("nan")}], r"record 1: it cannot be written again: Out of range"),
        ([{"id": 1, "txt": "a"}], r"record 1: field 'text' has to be a text"),
        ([], r"no record to annotate in .*in.jsonl"),
    ],
)
def test_bad_records_are_told_with_file_and_number_before_work(
    rows: list[Any], reason: str, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(tmp_path / "in.jsonl", rows)
    monkeypatch.setattr(Language, "pipe", None)
    with pytest.raises(ValueError, match=reason):
        annotate(source, tmp_path / "out.jsonl", nlp)
    assert not (tmp_path / "out.jsonl").exists()


def test_an_id_is_the_only_one_in_all_files(tmp_path: Path, nlp: Language) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("mouse", encoding="utf8")
    with pytest.raises(ValueError, match=r"b/x.txt, record 1: its id 'x' is that of .*a/x.txt, record 1"):
        annotate([tmp_path / "a", tmp_path / "b"], tmp_path / "out.jsonl", nlp)


def test_an_id_that_the_output_cannot_hold_is_told_before_work(
    tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(
        tmp_path / "in.jsonl", [{"id": name, "text": "mouse"} for name in ("1", "PMC|2", "3")]
    )
    out = tmp_path / "out.pubtator"
    with monkeypatch.context() as patch:
        patch.setattr(Language, "pipe", None)
        with pytest.raises(ValueError, match=r"in.jsonl, record 2: its id 'PMC\|2' has '\|' in it"):
            annotate(source, out, nlp)
    assert annotate(source, out, nlp, skip_errors=True)[1:5] == (2, 2, 2, 1)
    assert lines(tmp_path / "out.pubtator.skipped.jsonl") == [
        {
            "file": str(source),
            "record": 2,
            "reason": "its id 'PMC|2' has '|' in it, which the output's format cannot hold",
        }
    ]
    assert annotate(source, tmp_path / "out.jsonl", nlp).records == 3


def test_work_does_not_go_on_for_a_format_it_was_not_checked_for(
    stopped: Path, many: Path, nlp: Language
) -> None:
    with pytest.raises(ValueError, match=r"settings.output_format: 'jsonl' then, 'pubtator' now"):
        annotate(many, stopped, nlp, shard_characters=1, output_format="pubtator")


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path, nlp: Language) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such file or folder"):
        annotate(tmp_path / "nowhere", tmp_path / "out.jsonl", nlp)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no .txt file: give --input-format"):
        find_sources([tmp_path / "empty"], None)
    with pytest.raises(OSError, match=r"Not a directory \(.*in.jsonl/out.jsonl.work\)"):
        annotate(source, source / "out.jsonl", nlp)
    with pytest.raises(ValueError, match="text cannot hold entities"):
        annotate(source, tmp_path / "out.txt", nlp)
    for setting in ({"n_process": 0}, {"limit": 0}, {"shard_characters": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(setting))} = 0: allowed are whole numbers from 1"):
            annotate(source, tmp_path / "out.jsonl", nlp, **setting)  # type: ignore[arg-type]


def test_a_pipeline_has_to_have_the_component_and_its_scores(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(ValueError, match="the pipeline has no craft_ner, only: nothing"):
        load_pipeline(spacy.blank("en"))
    silent = spacy.blank("en")
    silent.add_pipe("craft_ner", config={"model": {"name": str(tiny_model)}, "spans_key": None})
    with pytest.raises(ValueError, match="spans_key = null"):
        load_pipeline(silent)
    with pytest.raises(ValueError, match="of a loaded pipeline are set on its component"):
        load_pipeline(silent, threshold=0.5)


# Cost


def test_memory_does_not_grow_with_the_input(tmp_path: Path, nlp: Language) -> None:
    def rows(n: int) -> Iterator[dict[str, Any]]:
        return ({"id": k, "text": sentence(k), "note": "x" * 5000} for k in range(n))

    def peak(n: int) -> int:
        source = write_lines(tmp_path / f"{n}.jsonl", rows(n))
        tracemalloc.start()
        annotate(source, tmp_path / f"{n}.xml", nlp, shard_characters=1, overwrite=True)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2 * BATCH_RECORDS)
    # The records alone hold 2 MB more.
    assert peak(8 * BATCH_RECORDS) < peak(2 * BATCH_RECORDS) + 500_000


def test_the_pipeline_gets_whole_batches(
    tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(
        tmp_path / "in.jsonl", ({"id": n, "text": sentence(n, 5)} for n in range(2 * BATCH_RECORDS + 3))
    )
    sizes = []
    predict = CraftNER.predict

    def counted(self: CraftNER, docs: Iterable[Doc]) -> list[list[Entity]]:
        batch = list(docs)
        sizes.append(len(batch))
        return predict(self, batch)

    monkeypatch.setattr(CraftNER, "predict", counted)
    annotate(source, tmp_path / "out.jsonl", nlp)
    assert sizes == [BATCH_RECORDS, BATCH_RECORDS, 3]
