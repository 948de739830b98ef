"""What may be read and written: no device, no folder, no link; nothing that is there or is an input."""

import os
from pathlib import Path

import pytest

from craftner_spacy.data.file_kinds import check_input, check_output, other_kind


def test_a_file_is_a_file_also_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").symlink_to("a")
    assert other_kind(tmp_path / "a") is None
    assert other_kind(tmp_path / "b") is None
    check_input(tmp_path / "b")


def test_what_the_system_does_not_tell_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        other_kind(tmp_path / ("x" * 300))


def test_a_path_below_a_file_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileNotFoundError, match="there is no such file or folder"):
        check_input(tmp_path / "a" / "b")


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_is_no_place_for_a_file_is_refused(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "lost").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    for path, reason in {
        tmp_path: "is a folder: name a file for the output",
        Path("/dev/null"): "is a device",
        tmp_path / "fifo": "is a FIFO",
        tmp_path / "link": "is a link to 'a': name the file itself",
        tmp_path / "lost": "is a link to 'nowhere'",
    }.items():
        with pytest.raises(ValueError, match=reason):
            check_output(path, [], overwrite)


def test_an_output_that_exists_is_only_replaced_if_told_to_and_if_it_is_no_input(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    check_output(out, [other], overwrite=False)
    out.touch()
    with pytest.raises(FileExistsError, match="exists already"):
        check_output(out, [other], overwrite=False)
    check_output(out, [other], overwrite=True)
    other.hardlink_to(out)
    with pytest.raises(ValueError, match="is one of the inputs"):
        check_output(out, [other], overwrite=True)
