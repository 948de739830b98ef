"""The made-up day of PubMed: a run that is stopped and repeated writes the same bytes, and loses nothing."""

import doctest
from collections.abc import Iterable
from pathlib import Path

import pubmed_day
import pytest
import spacy

from craftner_spacy.processing import local
from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.convert import convert
from craftner_spacy.processing.settings import BATCH_RECORDS

N_CITATIONS = 200


class StopError(Exception):
    """Stops a run."""


def test_a_stopped_day_has_the_bytes_of_an_undisturbed_one(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = spacy.load(pipeline)
    source = tmp_path / "pubmed.xml.gz"
    pubmed_day.write_citations(source, N_CITATIONS)
    annotate(source, tmp_path / "whole.parquet", nlp, shard_characters=1)
    write_atomically = local.write_atomically

    def write(path: Path, lines: Iterable[bytes]) -> None:
        if path.name == "00002.jsonl":
            raise StopError
        write_atomically(path, lines)

    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(local, "write_atomically", write)
        with pytest.raises(StopError):
            annotate(source, out, nlp, shard_characters=1)
    done = annotate(source, out, nlp, shard_characters=1)
    assert done.new_records == N_CITATIONS - 2 * BATCH_RECORDS
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    for name in ("out.bioc.xml", "out.tsv"):
        convert(out, tmp_path / name)
    counts = pubmed_day.count(out)
    assert counts == {
        "Parquet": N_CITATIONS,
        "entities": done.entities,
        "BioC": N_CITATIONS,
        "TSV": done.entities,
    }


def test_what_is_missing_or_too_much_is_told() -> None:
    assert doctest.testmod(pubmed_day) == (0, 2)
