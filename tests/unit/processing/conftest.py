"""A pipeline, a file of records, and a run that was stopped, for the tests of `annotate`."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from tiny_records import sentence, write_lines

from craftner_spacy.processing import local
from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.settings import BATCH_RECORDS


@pytest.fixture(scope="module")
def nlp(pipeline: Path) -> Language:
    """The tiny pipeline, loaded once a module."""
    return spacy.load(pipeline)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Records for six shards of one batch each; the last one has three records."""
    rows = ({"id": n, "text": sentence(n), "n": n} for n in range(5 * BATCH_RECORDS + 3))
    return write_lines(tmp_path / "many.jsonl", rows)


class StopError(Exception):
    """Stops a run where a test wants it to stop."""


@pytest.fixture
def stopped(tmp_path: Path, many: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output of a run of `many` that was stopped when two shards of one batch each were finished."""
    write_atomically = local.write_atomically

    def write(path: Path, lines: Iterable[bytes]) -> None:
        if path.name == "00002.jsonl":
            raise StopError
        write_atomically(path, lines)

    with monkeypatch.context() as patch:
        patch.setattr(local, "write_atomically", write)
        with pytest.raises(StopError):
            annotate(many, tmp_path / "out.jsonl", nlp, shard_characters=1)
    assert len(list((tmp_path / "out.jsonl.work").glob("[0-9]*.jsonl"))) == 2
    return tmp_path / "out.jsonl"
