"""The benchmark's own parts, on a tiny model: what it measures is not tested, but that it is measured."""

from pathlib import Path
from typing import Any

import pytest
import speed

TEXTS = ["The kinase in mouse brain was expressed .\nIt binds calcium in stem cells . " * 60] * 2


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.txt").write_text(text, encoding="utf8")
    return folder


def made_report() -> dict[str, Any]:
    kinds = {
        kind: {
            "documents": 3,
            "gflops": 20.0,
            "contenders": {
                "craft_ner": {"words_per_second": 2000.0, "times_as_fast": 1.0},
                "hf_token_pipe": {"words_per_second": 500.0, "times_as_fast": 4.0},
            },
        }
        for kind in speed.KINDS
    }
    return {
        "machine": {
            "processor": "A processor",
            "threads": 2,
            "bf16_units": True,
            "gflops": {"fp32": 10.0, "bf16": 40.0},
        },
        "python": "3.11.7",
        "versions": {"spacy": "3.8.18"},
        "words": {"small": 3000},
        "rounds": 5,
        "bare": True,
        "first_entities_seconds": 4.2,
        "models": {"small": kinds},
        "by_length": {"100": {"alone": 90.0, "stream": 70.0}, "1000": {"alone": 80.0, "stream": 75.0}},
        "by_number": {"1": 95.0, "10": 85.0},
        "by_units": {
            "all": {"fp32": 300.0, "bf16": 900.0, "int8": 800.0},
            "AVX2": {"fp32": 200.0, "bf16": 5.0},
        },
        "peak_megabytes": {"ours": 600.0, "hf_token_pipe": 700.0},
        "processes": {"one": 100.0, "two": 120.0, "times_as_fast": 1.2},
        "stream": {"1000": 500.0, "20000": 510.0},
        "spacy_benchmark_speed": "Mean: 5000.0 words/s (95% CI: -100.0 +100.0)",
    }


def test_all_that_was_measured_is_told(tmp_path: Path) -> None:
    report = made_report()
    text = speed.as_markdown(report)
    for expected in (
        "A processor, 2 threads; matrix products: 10 GFLOP/s in fp32, 40 GFLOP/s in bf16. "
        '`precision = "auto"` takes bf16 here.',
        "texts of 3,000 words in all.",
        "| hf_token_pipe | 500 (4.00) | 500 (4.00) | 500 (4.00) |",
        "Share of the bf16 peak, end to end: 50%, 50%, 50%.",
        "| 1,000 | 80 | 75 |",
        "| 10 | 85 |",
        "| all | 300 | 900 | 800 |",
        "| AVX2 | 200 | 5 |  |",
        "first entities: 4.2 s where the package alone is installed.",
        "`n_process=2`: 1.20 times",
        "at most: 600 MB; `hf_token_pipe` 700 MB.",
        "after 1,000 abstracts 500 MB, after 20,000 510 MB (+2.0%).",
        "`spacy benchmark speed`: Mean: 5000.0 words/s",
        "Python 3.11.7, spacy 3.8.18",
    ):
        assert expected in text, expected
    del report["stream"], report["spacy_benchmark_speed"]
    assert "Resident memory" not in speed.as_markdown(report)
    speed.draw(report, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_texts_are_cut_by_their_kind(articles: Path) -> None:
    texts = speed.read(articles)
    assert texts == TEXTS
    assert list(speed.cut(texts, "articles")) == TEXTS
    assert len(list(speed.cut(texts, "sentences"))) == 2 * 2 * 60
    abstracts = list(speed.cut(texts, "abstracts"))
    assert {len(text.split()) for text in abstracts} == {speed.ABSTRACT_WORDS}
    forever = speed.cut(texts, "abstracts", forever=True)
    again = [next(forever) for _ in range(2 * len(abstracts))]
    assert again[: len(abstracts)] == abstracts
    assert again[len(abstracts) :] != abstracts
    assert [len(text.split()) for text in speed.take_words(iter(TEXTS), 1000)] == [900, 100]


def test_each_part_measures_something(tiny_model: Path, articles: Path) -> None:
    abstracts = list(speed.cut(TEXTS, "abstracts"))
    assert set(speed.by_number(tiny_model, abstracts * 3)) == {"1", "10"}
    lengths = speed.by_length(tiny_model, TEXTS[0], 1_000, rounds=1)
    assert list(lengths) == ["100", "1000"]
    assert min(found[kind] for found in lengths.values() for kind in ("alone", "stream")) > 0
    [memory] = speed.numbers_of(speed.PEAK_MEMORY, "ours", tiny_model, articles)
    assert memory > 100
    stream = speed.memory_of_stream(tiny_model, articles, 5)
    assert list(stream) == ["4", "5"]
    [words_per_second] = speed.numbers_of(
        speed.BY_UNITS, tiny_model, articles, "fp32", environment=speed.UNITS["AVX2"]
    )
    assert words_per_second > 0
