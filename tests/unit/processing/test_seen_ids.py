"""Ids on disk: an id that is there twice names the record that had it first, and nothing is left behind."""

from pathlib import Path

import pytest

from craftner_spacy.processing.seen_ids import open_seen_ids


def test_a_second_use_of_an_id_gives_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ids.sqlite"
    with open_seen_ids(path) as ids:
        assert path.exists()
        assert ids.add("1", "a.jsonl", 1) is None
        assert ids.add("01", "a.jsonl", 2) is None
        assert ids.add("1", "b.jsonl", 7) == ("a.jsonl", 1)
        assert ids.add("1", "c.jsonl", 8) == ("a.jsonl", 1)
    assert not path.exists()


def test_the_file_is_removed_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ids.sqlite"

    def stop() -> None:
        with open_seen_ids(path) as ids:
            ids.add("1", "a.jsonl", 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not path.exists()
