"""Which files are read: of folders, by links, of partitions; and what is left out or refused."""

import gzip
import os
import socket
from pathlib import Path

import pytest
from spacy.language import Language
from tiny_records import read_lines, write_lines

from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.source_files import (
    LOCK_NAME,
    LeftOut,
    describe_left_out,
    describe_sources,
    find_sources,
    partition_fields,
)


def names(folder: Path, input_format: str | None = None) -> list[str]:
    """The names of the sources of a folder."""
    return [source.name for source in find_sources([folder], input_format).sources]


def left_out(folder: Path) -> dict[str, str]:
    """The reasons why files of a folder are left out, by their paths in it."""
    return {path.relative_to(folder).as_posix(): why for path, why in find_sources([folder], None).left_out}


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
    with pytest.raises(FileNotFoundError, match=r"empty holds no .txt file: --input-format names the format"):
        find_sources([tmp_path / "empty"], None)


def test_suffixes_match_in_upper_and_lower_case(tmp_path: Path, nlp: Language) -> None:
    (tmp_path / "A.TXT").write_text("mouse", encoding="utf8")
    (tmp_path / "B.Txt.GZ").write_bytes(gzip.compress(b"yeast"))
    assert names(tmp_path) == ["A", "B"]
    annotate(tmp_path, tmp_path / "OUT.JSONL", nlp)
    assert [row["text"] for row in read_lines(tmp_path / "OUT.JSONL")] == ["mouse", "yeast"]


def test_what_a_folder_has_beside_inputs_is_counted_and_named(tmp_path: Path) -> None:
    for path in ("a.txt", "sub/b.txt", "c.md", "._a.txt", ".ipynb_checkpoints/a.txt", "dir.txt/inside.txt"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("mouse", encoding="utf8")
    os.mkfifo(tmp_path / "fifo.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    (tmp_path / "lost.txt").symlink_to("nowhere")
    (tmp_path / "round.txt").symlink_to("round.txt")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a", "dir.txt/inside", "sub/b"]
    assert left_out(tmp_path) == {
        "c.md": "other suffix",
        "._a.txt": "hidden",
        ".ipynb_checkpoints": "hidden",
        "dir.txt": "folder with the name of a file",
        "fifo.txt": "a FIFO",
        "zero.txt": "a device",
        "lost.txt": "link to nothing",
        "round.txt": "link to nothing",
        "again": "link to a folder",
    }


def test_a_text_of_brat_is_part_of_its_annotations_and_not_left_out(tmp_path: Path, nlp: Language) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in {
        "a.txt": "a mouse",
        "a.ann": "T1\tTaxon 2 7\tmouse\n",
        "b.txt": "yeast",
        "b.ann.gz": gzip.compress(b""),
        "alone.txt": "no annotations",
        "annotation.conf": "",
    }.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    sources, others = find_sources([folder], "brat")
    assert [source.name for source in sources] == ["a", "b"]
    assert [(path.name, why) for path, why in others] == [
        ("alone.txt", "other suffix"),
        ("annotation.conf", "other suffix"),
    ]
    annotate(folder, tmp_path / "out.jsonl", nlp, input_format="brat")
    assert [row["text"] for row in read_lines(tmp_path / "out.jsonl")] == ["a mouse", "yeast"]
    # Given one by one, they are two records of one id: that is said.
    with pytest.raises(ValueError, match=r"a\.txt, record 1: its id 'a' is also that of .*a\.ann, record 1"):
        annotate([folder / "a.ann", folder / "a.txt"], tmp_path / "two.jsonl", nlp)


def test_files_that_were_left_out_are_in_the_summary_and_in_the_error_if_none_is_left(
    tmp_path: Path, nlp: Language
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.md").write_text("mouse", encoding="utf8")
    with pytest.raises(FileNotFoundError, match=r"holds no \.txt file.*left out: 1 other suffix \(a\.md\)"):
        annotate(folder, tmp_path / "out.jsonl", nlp)
    (folder / "b.txt").write_text("mouse", encoding="utf8")
    done = annotate(folder, tmp_path / "out.jsonl", nlp)
    assert done.left_out == [LeftOut(folder / "a.md", "other suffix")]


def test_names_are_shown_without_control_characters() -> None:
    files = [LeftOut(Path(name), "hidden") for name in (".a\x1b[2J\n", ".b\udcff", ".c", ".d")]
    assert describe_left_out(files) == "4 hidden (.a\\x1b[2J\\n, .b\\udcff, .c, ...)"


def test_links_to_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("mouse", encoding="utf8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").symlink_to(tmp_path / "store")
    assert names(tmp_path / "in") == ["a"]
    assert [source.name for source in find_sources([tmp_path / "in" / "a.txt"], None).sources] == ["a"]


def test_an_input_that_is_no_file_is_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    (tmp_path / "lost.txt").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket.txt"))
    for name, kind in {"fifo": "a FIFO", "zero": "a device", "socket": "a socket"}.items():
        with pytest.raises(ValueError, match=rf"{name}\.txt is {kind}: inputs are files and folders"):
            find_sources([tmp_path / f"{name}.txt"], None)
    with pytest.raises(FileNotFoundError, match=r"lost\.txt is a link to 'nowhere', which does not exist"):
        find_sources([tmp_path / "lost.txt"], None)


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="closed"):
        find_sources([tmp_path], None)


def test_the_work_of_runs_in_a_folder_is_no_input(tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    work = tmp_path / "other.xml.work"
    work.mkdir()
    write_lines(work / "00000.jsonl", [{"id": 1, "text": "mouse"}])
    (work / LOCK_NAME).touch()
    (tmp_path / "out.xml.skipped.jsonl").touch()
    found = find_sources([tmp_path], "jsonl", tmp_path / "out.xml")
    assert ([source.name for source in found.sources], found.left_out) == (["in"], [])


def test_an_output_that_would_be_an_input_of_the_next_run_is_refused(tmp_path: Path, nlp: Language) -> None:
    (tmp_path / "sub").mkdir()
    write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    out = tmp_path / "sub" / "out.jsonl"
    with pytest.raises(
        ValueError, match=r"out\.jsonl is in the folder .*, whose \.jsonl/\.ndjson files are the"
    ):
        annotate(tmp_path, out, nlp, input_format="jsonl", overwrite=True)
    assert not list(out.parent.iterdir())
    annotate(tmp_path, out.with_suffix(".xml"), nlp, input_format="jsonl")
    assert names(tmp_path, "jsonl") == ["in"]


def test_the_description_of_the_files_changes_with_them(tmp_path: Path) -> None:
    paths = [write_lines(tmp_path / name, [{"id": 1, "text": "mouse"}]) for name in ("a.jsonl", "b.jsonl")]
    before = describe_sources(find_sources(paths, None).sources)
    assert (before["files"], before["bytes"]) == (2, sum(path.stat().st_size for path in paths))
    assert describe_sources(find_sources(paths, None).sources) == before
    assert describe_sources(find_sources(paths[::-1], None).sources)["digest"] != before["digest"]
    paths[1].write_bytes(paths[1].read_bytes() + b"\n")
    assert describe_sources(find_sources(paths, None).sources)["digest"] != before["digest"]


def test_folders_of_partitions_give_fields(tmp_path: Path, nlp: Language) -> None:
    folder = tmp_path / "in" / "year=2020" / "journal=J%20Cell"
    folder.mkdir(parents=True)
    write_lines(folder / "part-0.jsonl", [{"text": "mouse"}, {"text": "yeast", "year": 2020}])
    annotate(tmp_path / "in", tmp_path / "out.jsonl", nlp, input_format="jsonl", make_ids=True)
    rows = read_lines(tmp_path / "out.jsonl")
    assert [(row["id"], row["year"], row["journal"]) for row in rows] == [
        ("year=2020/journal=J%20Cell/part-0:1", "2020", "J Cell"),
        ("year=2020/journal=J%20Cell/part-0:2", 2020, "J Cell"),
    ]
    write_lines(folder / "part-1.jsonl", [{"text": "mouse", "year": 2021}])
    with pytest.raises(ValueError, match=r"its field 'year' is 2021, but its folder is called year=2020"):
        annotate(tmp_path / "in", tmp_path / "2.jsonl", nlp, input_format="jsonl", make_ids=True)


def test_a_partition_cannot_be_named_like_a_part_of_every_record() -> None:
    with pytest.raises(ValueError, match="a folder text=a names a field that every record has"):
        partition_fields(["text=a"])
