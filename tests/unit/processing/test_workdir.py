"""The working folder: a run that was stopped is continued, and nothing else is."""

import errno
import os
import re
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import spacy
from processes import run_program, run_python
from spacy.language import Language
from tiny_records import read_lines, sentence, write_lines

from craftner_spacy import shim
from craftner_spacy.pipelines import load_pipeline
from craftner_spacy.processing import local, workdir
from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.convert import convert
from craftner_spacy.processing.output_files import write_atomically
from craftner_spacy.processing.settings import BATCH_RECORDS
from craftner_spacy.processing.source_files import LOCK_NAME
from craftner_spacy.processing.workdir import WorkDir


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Records for six shards, among them two bad ones, of which one has an id for the second time."""
    rows: list[dict[str, Any]] = [{"id": n, "text": sentence(n)} for n in range(6 * BATCH_RECORDS - 5)]
    rows[70] = {"id": 70}
    rows[200] = {"id": 3, "text": "again"}
    return write_lines(tmp_path / "mixed.jsonl", rows)


def test_a_run_that_is_killed_at_any_moment_gives_the_same_output(
    pipeline: Path, mixed: Path, tmp_path: Path
) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = run_program("killed.py", pipeline, mixed, tmp_path, 3, env=env, timeout=300)
    match = re.fullmatch(r"19 kills; finished shards at each: \[(.*)\]\n", done.stdout)
    assert match is not None, done.stdout
    shards = [int(number) for number in match[1].split(", ")]
    # At the named calls: of fsync, of replace, and of unlink, which the folder's files are removed by.
    assert shards[:16] == [0, 0, 0, 3, 6, 6, 0, 0, 2, 6, 6, 0, 6, 6, 5, 0]
    # At moments that depend on the machine.
    assert all(0 <= number <= 6 for number in shards[16:])
    rows = read_lines(tmp_path / "whole.jsonl")
    n_records = 6 * BATCH_RECORDS - 5
    assert [row["id"] for row in rows] == [str(n) for n in range(n_records) if n not in (70, 200)]
    assert read_lines(tmp_path / "whole.jsonl.skipped.jsonl") == [
        {
            "file": str(mixed),
            "record": 71,
            "reason": "field 'text' has to be a string, not None; fields: ['id']; --text-field names another",
        },
        {"file": str(mixed), "record": 201, "reason": f"its id '3' is also that of {mixed}, record 4"},
    ]


def test_a_second_run_annotates_only_what_is_left(stopped: Path, many: Path, nlp: Language) -> None:
    done = annotate(many, stopped, nlp, shard_characters=1)
    assert (done.records, done.new_records) == (5 * BATCH_RECORDS + 3, 3 * BATCH_RECORDS + 3)
    assert done.new_words == 8 * done.new_records


def test_another_process_continues_too(stopped: Path, many: Path, pipeline: Path) -> None:
    arguments = f"{str(many)!r}, {str(stopped)!r}, {str(pipeline)!r}, shard_characters=1"
    run_python(
        f"import craftner_spacy\ndone = craftner_spacy.annotate({arguments})\n"
        f"assert done.new_records == {3 * BATCH_RECORDS + 3}, done",
        {},
    )


def test_a_run_with_other_settings_inputs_or_model_is_not_continued(
    stopped: Path, many: Path, nlp: Language, pipeline: Path
) -> None:
    with pytest.raises(
        ValueError, match=r"manifest.json belongs to another run \(settings.limit: None then, 9 now\)"
    ):
        annotate(many, stopped, nlp, shard_characters=1, limit=9)
    with pytest.raises(ValueError, match=r"model\.threshold: 0\.0 then, 0\.75 now"):
        annotate(many, stopped, load_pipeline(str(pipeline), threshold=0.75), shard_characters=1)
    other = spacy.blank("en")
    other.add_pipe("craft_ner")
    with pytest.raises(ValueError, match=r"model\.digest: "):
        annotate(many, stopped, other, shard_characters=1)
    with many.open("a", encoding="utf8") as file:
        file.write('{"id": "new", "text": "mouse"}\n')
    with pytest.raises(ValueError, match=r"inputs.bytes: \d+ then, \d+ now"):
        annotate(many, stopped, nlp, shard_characters=1)
    assert len(list(stopped.with_name("out.jsonl.work").glob("[0-9]*.jsonl"))) == 2


def test_a_run_is_not_continued_for_a_format_that_its_records_were_not_checked_for(
    stopped: Path, many: Path, nlp: Language
) -> None:
    with pytest.raises(ValueError, match=r"settings.output_format: 'jsonl' then, 'pubtator' now"):
        annotate(many, stopped, nlp, shard_characters=1, output_format="pubtator")


def test_a_full_disk_is_an_error_and_the_run_is_continued_when_there_is_space(
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
            OSError, match=r"No space left on device. The work done so far is in .*out.jsonl.work"
        ):
            annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    done = annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert done.new_records == done.records - 2 * BATCH_RECORDS


def test_a_device_without_space_for_the_output_is_an_error(stopped: Path, many: Path, nlp: Language) -> None:
    unfinished = stopped.with_name("out.jsonl.work") / "output.tmp"
    unfinished.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        annotate(many, stopped, nlp, shard_characters=1)
    unfinished.unlink()
    assert annotate(many, stopped, nlp, shard_characters=1).new_records == 0


def test_files_without_a_manifest_are_not_continued(many: Path, tmp_path: Path, nlp: Language) -> None:
    work = tmp_path / "out.jsonl.work"
    work.mkdir()
    (work / LOCK_NAME).touch()
    (work / "00000.jsonl").write_bytes(b"old")
    done = annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert done.new_records == done.records


def test_a_shard_that_was_removed_is_an_error(stopped: Path, many: Path, nlp: Language) -> None:
    work = stopped.with_name("out.jsonl.work")
    write_output = WorkDir.write_output

    def remove_first(*args: Any) -> None:
        (work / "00003.jsonl").unlink()
        write_output(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkDir, "write_output", remove_first)
        with pytest.raises(ValueError, match="holds 259 records, not 323: a file in it was removed"):
            annotate(many, stopped, nlp, shard_characters=1)
    assert not stopped.exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, nlp: Language) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    with pytest.raises(OSError, match=r"Not a directory \(.*in.jsonl/out.jsonl.work\)"):
        annotate(source, source / "out.jsonl", nlp)


def test_ids_that_cannot_be_stored_are_an_error(
    tmp_path: Path, many: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(OSError, match=r"ids .* in .*out.jsonl.work \(unable to open.*disk full\?"):
        annotate(many, tmp_path / "out.jsonl", nlp)


def test_two_commands_cannot_write_one_output(
    stopped: Path, many: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workdir, "LOCK_SECONDS", 0.0)
    before = {path: path.read_bytes() for path in stopped.with_name("out.jsonl.work").iterdir()}
    with WorkDir(stopped).opened():
        with pytest.raises(
            BlockingIOError, match=r"another command writes .*out\.jsonl: it has locked .*\.work"
        ):
            annotate(many, stopped, nlp, shard_characters=1, limit=9, overwrite=True)
        assert {path: path.read_bytes() for path in before} == before
    assert annotate(many, stopped, nlp, shard_characters=1).records == 323


def test_an_output_that_appears_while_the_lock_is_waited_for_is_not_replaced(
    many: Path, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    check_own = WorkDir._check_own

    def written_meanwhile(work: WorkDir) -> None:
        check_own(work)
        out.write_bytes(b"of the other command")

    monkeypatch.setattr(WorkDir, "_check_own", written_meanwhile)
    with pytest.raises(FileExistsError, match="exists already"):
        annotate(many, out, nlp)
    assert out.read_bytes() == b"of the other command"
    assert not (tmp_path / "out.jsonl.work").exists()


def test_the_lock_is_given_back_and_the_folder_removed_when_a_run_fails_before_a_shard(
    many: Path, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        annotate(many, out, "/nowhere")
    assert not list(tmp_path.glob("out*"))
    with monkeypatch.context() as patch:
        patch.setattr(Language, "pipe", None)
        with pytest.raises(TypeError):
            annotate(many, out, nlp, limit=9)
    assert not list(tmp_path.glob("out*"))
    assert annotate(many, out, nlp).records == 323


def test_a_precision_that_is_not_possible_is_an_error_before_files_are_checked_and_leaves_nothing(
    many: Path, tmp_path: Path, nlp: Language, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ImportError("precision = 'int8' needs onnx")

    out = tmp_path / "out.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(shim, "make_inference", refuse)
        patch.setattr(WorkDir, "begin", None)
        with pytest.raises(ImportError, match="needs onnx"):
            annotate(many, out, str(pipeline), precision="int8")
    assert not list(tmp_path.glob("out*"))
    assert annotate(many, out, nlp, limit=9).records == 9


def test_a_manifest_without_a_shard_is_given_up_for_another_run(
    stopped: Path, many: Path, nlp: Language
) -> None:
    for path in stopped.with_name("out.jsonl.work").glob("[0-9]*.jsonl"):
        path.unlink()
    assert annotate(many, stopped, nlp, limit=9).records == 9


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b'{"name": "web app", "icons": []}',
        b'{"program": "craftner_spacy annotate"}',
        b'{"program": "craftner_spacy annotate", "inputs": [], "settings": {}, "model": {}, "records": 1, '
        b'"skipped": 0, "shards": []}',
        b'{"program": "craftner_spacy annotate", "inputs": {}, "settings": {}, "model": {}, "records": "1", '
        b'"skipped": 0, "shards": []}',
    ],
)
def test_a_manifest_of_another_program_is_an_error_and_stays(
    content: bytes, stopped: Path, many: Path, nlp: Language
) -> None:
    work = stopped.with_name("out.jsonl.work")
    (work / "manifest.json").write_bytes(content)
    before = sorted(path.name for path in work.iterdir())
    with pytest.raises(
        ValueError, match=r"out\.jsonl\.work/manifest\.json is no manifest of a run of annotate"
    ):
        annotate(many, stopped, nlp, shard_characters=1)
    (work / LOCK_NAME).unlink()
    with pytest.raises(ValueError, match="is no manifest of a run of annotate"):
        annotate(many, stopped, nlp, shard_characters=1, overwrite=True)
    assert sorted(path.name for path in work.iterdir()) == [n for n in before if n != LOCK_NAME]
    assert (work / "manifest.json").read_bytes() == content


def test_a_manifest_that_is_no_file_is_not_opened(stopped: Path, many: Path, nlp: Language) -> None:
    manifest = stopped.with_name("out.jsonl.work") / "manifest.json"
    manifest.unlink()
    os.mkfifo(manifest)
    with pytest.raises(ValueError, match=r"manifest\.json is a FIFO"):
        annotate(many, stopped, nlp, shard_characters=1)


def test_a_damaged_list_of_skipped_records_is_an_error(stopped: Path, many: Path, nlp: Language) -> None:
    (stopped.with_name("out.jsonl.work") / "skipped.jsonl").write_bytes(b'{"file": "a"}\n')
    with pytest.raises(ValueError, match=r"skipped\.jsonl is damaged"):
        annotate(many, stopped, nlp, shard_characters=1)


def test_a_folder_of_others_is_refused_and_stays_as_it_is(many: Path, tmp_path: Path, nlp: Language) -> None:
    work = tmp_path / "out.jsonl.work"
    work.mkdir()
    mine = {work / "00000.jsonl": b"mine", work / "ids.sqlite": b"mine"}
    for path, content in mine.items():
        path.write_bytes(content)
    with pytest.raises(
        FileExistsError, match=r"out\.jsonl\.work.* did not write \('00000\.jsonl', 'ids\.sqlite'\)"
    ):
        annotate(many, tmp_path / "out.jsonl", nlp, overwrite=True)
    assert {path: path.read_bytes() for path in work.iterdir()} == mine


def test_a_link_or_file_in_place_of_the_folder_is_refused(many: Path, tmp_path: Path, nlp: Language) -> None:
    work, victim = tmp_path / "out.jsonl.work", tmp_path / "victim"
    victim.mkdir()
    work.symlink_to(victim, target_is_directory=True)
    with pytest.raises(FileExistsError, match=r"out\.jsonl\.work.* is a link or a file"):
        annotate(many, tmp_path / "out.jsonl", nlp)
    assert not list(victim.iterdir())
    work.unlink()
    work.touch()
    with pytest.raises(FileExistsError, match=r"out\.jsonl\.work.* is a link or a file"):
        annotate(many, tmp_path / "out.jsonl", nlp)


def test_files_of_others_in_the_folder_of_a_run_are_never_removed(
    stopped: Path, many: Path, nlp: Language
) -> None:
    work = stopped.with_name("out.jsonl.work")
    (work / "notes.md").write_bytes(b"mine")
    with pytest.warns(UserWarning, match=r"\.work stays: it holds files .*'notes\.md'"):
        annotate(many, stopped, nlp, shard_characters=1)
    assert sorted(path.name for path in work.iterdir()) == [LOCK_NAME, "notes.md"]
    with pytest.warns(UserWarning, match="stays"):
        annotate(many, stopped, nlp, overwrite=True)


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.skipped.jsonl"])
def test_an_output_that_is_no_file_is_refused_before_work_starts(
    name: str, many: Path, tmp_path: Path, nlp: Language
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=rf"{name} is a folder: name a file for the output"):
        annotate(many, tmp_path / "out.jsonl", nlp, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.jsonl", name]


@pytest.mark.parametrize("n_shards", [0, 2])
def test_ctrl_c_says_how_to_continue(
    n_shards: int, stopped: Path, many: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not n_shards:
        shutil.rmtree(stopped.with_name("out.jsonl.work"))

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Language, "pipe", interrupt)
    message = (
        r"in .*out\.jsonl\.work: repeat the command to continue" if n_shards else "No shard was finished"
    )
    with pytest.raises(KeyboardInterrupt, match=message):
        annotate(many, stopped, nlp, shard_characters=1)


def test_a_file_gets_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def lines() -> Any:
        yield b"one\n"
        assert not path.exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, lines())
    assert not path.exists()
    write_atomically(path, [b"one\n", b"two\n"])
    assert path.read_bytes() == b"one\ntwo\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_named_by_its_output_and_not_made_before_it_is_needed(tmp_path: Path) -> None:
    work = WorkDir(tmp_path / "out.xml.gz")
    assert work.path == tmp_path / "out.xml.gz.work"
    assert not work.is_begun
    assert not work.path.exists()


def test_work_without_its_lock_is_continued(stopped: Path, many: Path, nlp: Language) -> None:
    (stopped.with_name("out.jsonl.work") / LOCK_NAME).unlink()
    done = annotate(many, stopped, nlp, shard_characters=1)
    assert done.new_records == done.records - 2 * BATCH_RECORDS


def test_a_file_that_appears_during_the_run_is_not_replaced(stopped: Path, many: Path, nlp: Language) -> None:
    stopped.write_bytes(b"mine")
    with pytest.raises(OSError, match=r"out\.jsonl exists, and .*The work done so far is in"):
        annotate(many, stopped, nlp, shard_characters=1)
    assert stopped.read_bytes() == b"mine"
    assert annotate(many, stopped, nlp, shard_characters=1, overwrite=True).new_records == 0


def test_a_list_of_skipped_records_of_an_earlier_run_does_not_stay(tmp_path: Path, nlp: Language) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    skipped = tmp_path / "out.jsonl.skipped.jsonl"
    for rows, n_skipped in (([{"id": 1, "text": "a"}, {"id": 2}], 1), ([{"id": 1, "text": "a"}], 0)):
        write_lines(source, rows)
        for write in (annotate, convert):
            arguments = (source, out, nlp) if write is annotate else (source, out)
            done = write(*arguments, skip_errors=True, overwrite=True)
            assert done.skipped == n_skipped
            assert skipped.exists() == bool(n_skipped)


def test_a_stop_while_the_folder_is_removed_says_that_the_output_is_complete(
    many: Path, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = WorkDir._clear

    def interrupted(work: WorkDir) -> None:
        if work.out.exists():
            signal.raise_signal(signal.SIGINT)
        clear(work)

    monkeypatch.setattr(WorkDir, "_clear", interrupted)
    out = tmp_path / "out.jsonl"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt, match=r"stopped\. .*out\.jsonl is complete"):
            annotate(many, out, nlp, limit=3)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.jsonl", "out.jsonl"]


def test_a_folder_that_somebody_removes_is_named_by_the_error(
    many: Path, tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically = local.write_atomically

    def remove(path: Path, lines: Any) -> None:
        shutil.rmtree(path.parent)
        write_atomically(path, lines)

    monkeypatch.setattr(local, "write_atomically", remove)
    with pytest.raises(OSError, match=r"\(.*out\.jsonl\.work/00000\.jsonl\.tmp\)\. No shard was finished"):
        annotate(many, tmp_path / "out.jsonl", nlp)
    assert list(tmp_path.iterdir()) == [many]
