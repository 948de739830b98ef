"""Settings: wrong numbers, engines and combinations are refused with what is allowed."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from tiny_records import write_lines

from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.convert import convert
from craftner_spacy.processing.settings import usable_cpus


@pytest.mark.parametrize("setting", ["n_process", "limit", "shard_characters"])
def test_a_number_below_one_is_refused(setting: str, many: Path, tmp_path: Path, nlp: Language) -> None:
    with pytest.raises(ValueError, match=f"{setting} = 0: allowed are whole numbers from 1"):
        annotate(many, tmp_path / "out.jsonl", nlp, **{setting: 0})  # type: ignore[arg-type]


def test_an_encoding_that_python_does_not_know_is_refused(many: Path, tmp_path: Path, nlp: Language) -> None:
    for run in (partial(annotate, model=nlp), convert):
        with pytest.raises(ValueError, match="encoding = 'latin-99': allowed are names of encodings"):
            run(many, tmp_path / "out.jsonl", encoding="latin-99")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"engine": "spark"}, "engine = 'spark': allowed are local, ray"),
        ({"n_process": 2}, "n_process = 2: engine 'ray' has no processes but workers"),
        ({"engine": "local", "address": "auto"}, "address = 'auto': this is a setting of engine 'ray'"),
        ({"workers": 0}, "workers = 0: allowed are whole numbers from 1"),
        ({"cpus_per_worker": 0}, "cpus_per_worker = 0: allowed are numbers over 0"),
        ({"gpus_per_worker": -1}, "gpus_per_worker = -1: allowed are numbers from 0"),
        ({"model": spacy.blank("en")}, "load the pipeline themselves: give its name or folder"),
    ],
)
def test_a_wrong_setting_of_an_engine_is_refused(
    setting: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    with pytest.raises(ValueError, match=reason):
        annotate(source, tmp_path / "out.jsonl", **{"engine": "ray", **setting})
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell")
def test_cpus_that_the_process_may_not_use_are_not_counted() -> None:
    all_cpus = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(all_cpus)})
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, all_cpus)
    assert usable_cpus() == len(all_cpus)
