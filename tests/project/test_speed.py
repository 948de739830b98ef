"""The parts of the benchmark on a tiny model: that they measure something, and how the report is shown."""

from pathlib import Path
from typing import Any

import cpu
import measure_processes
import measure_sizes
import pytest
import render
import texts
from contenders import bare_forward, operations, ours
from memory import read_memory
from transformers import AutoConfig

TEXTS = ["The kinase in mouse brain was expressed .\nIt binds calcium in stem cells . " * 60] * 2


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.txt").write_text(text, encoding="utf8")
    return folder


def made_report() -> dict[str, Any]:
    by_kind = {
        kind: {
            "documents": 3,
            "precision": "bf16",
            "gflops": 20.0,
            "contenders": {
                "craft_ner": {"words_per_second": 2000.0, "times_as_fast": 1.0},
                "hf_token_pipe": {"words_per_second": 500.0, "times_as_fast": 4.0},
            },
        }
        for kind in texts.KINDS
    }
    return {
        "machine": "x86_64, Python 3.11.7",
        "versions": {"spacy": "3.8.18"},
        "cpu": {
            "name": "A processor",
            "threads": 2,
            "gflops": {"fp32": 10.0, "bf16": 40.0},
        },
        "words": {"small": 3000},
        "rounds": 5,
        "clean_python": True,
        "first_entities_seconds": 4.2,
        "models": {"small": by_kind},
        "by_length": {"100": {"alone": 90.0, "stream": 70.0}, "1000": {"alone": 80.0, "stream": 75.0}},
        "by_number": {"1": 95.0, "10": 85.0},
        "by_cpu_features": {
            "all": {"fp32": 300.0, "bf16": 900.0, "int8": 800.0},
            "AVX2": {"fp32": 200.0, "bf16": 5.0},
        },
        "peak_megabytes": {"ours": 600.0, "hf_token_pipe": 700.0},
        "processes": {"one": 100.0, "two": 120.0, "times_as_fast": 1.2},
        "stream": {"1000": 500.0, "20000": 510.0},
        "spacy_benchmark_speed": "Mean: 5000.0 words/s (95% CI: -100.0 +100.0)",
    }


def test_the_page_has_all_figures(tmp_path: Path) -> None:
    report = made_report()
    page = render.as_markdown(report)
    for expected in (
        "A processor, 2 threads. Matrix products: 10 GFLOP/s in fp32, 40 GFLOP/s in bf16.",
        "on texts of 3,000 words in all;",
        'how many times as fast `craft_ner` is, whose `precision = "auto"` is bf16 here.',
        "| hf_token_pipe | 500 (4.00) | 500 (4.00) | 500 (4.00) |",
        "Share of the bf16 peak, from texts to entities: 50%, 50%, 50%.",
        "| 1,000 | 80 | 75 |",
        "| 10 | 85 |",
        "| all | 300 | 900 | 800 |",
        "| AVX2 | 200 | 5 |  |",
        "first entities: 4.2 s, with only the package and its requirements installed.",
        "`n_process=2`: 1.20 times",
        "Peak memory for ten articles: 600 MB; `hf_token_pipe` 700 MB.",
        "after 1,000 abstracts 500 MB, after 20,000 510 MB (+2.0%).",
        "`spacy benchmark speed`: Mean: 5000.0 words/s",
        "Python 3.11.7, with spacy 3.8.18",
    ):
        assert expected in page, expected
    del report["stream"], report["spacy_benchmark_speed"]
    assert "Resident memory" not in render.as_markdown(report)
    render.draw(report, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_texts_are_cut_by_their_kind(articles: Path) -> None:
    read = texts.read(articles)
    assert read == TEXTS
    assert list(texts.cut(read, "articles")) == TEXTS
    assert len(list(texts.cut(read, "sentences"))) == 2 * 2 * 60
    abstracts = list(texts.cut(read, "abstracts"))
    assert {len(text.split()) for text in abstracts} == {texts.ABSTRACT_WORDS}
    forever = texts.cut(read, "abstracts", forever=True)
    again = [next(forever) for _ in range(2 * len(abstracts))]
    assert again[: len(abstracts)] == abstracts
    assert again[len(abstracts) :] != abstracts
    assert [len(text.split()) for text in texts.take_words(iter(TEXTS), 1000)] == [900, 100]


def test_each_part_measures_something(tiny_model: Path, articles: Path) -> None:
    abstracts = list(texts.cut(TEXTS, "abstracts"))
    assert set(measure_sizes.by_number(tiny_model, abstracts * 3)) == {"1", "10"}
    lengths = measure_sizes.by_length(tiny_model, TEXTS[0], 1_000, rounds=1)
    assert list(lengths) == ["100", "1000"]
    assert min(row[way] for row in lengths.values() for way in ("alone", "stream")) > 0
    [memory] = measure_processes.print_numbers("print_peak_memory", "ours", tiny_model, articles)
    assert memory > 100
    stream = measure_processes.memory_of_stream(tiny_model, articles, 5)
    assert list(stream) == ["4", "5"]
    [words_per_second] = measure_processes.print_numbers(
        "print_words_per_second",
        tiny_model,
        articles,
        "fp32",
        environment=measure_processes.CPU_FEATURES["AVX2"],
    )
    assert words_per_second > 0


def test_the_network_alone_runs_on_the_batches_of_the_component(tiny_model: Path) -> None:
    run, precision, n_operations = bare_forward(tiny_model, TEXTS)
    assert run(TEXTS) == 0
    assert n_operations > 0
    assert precision in ("fp32", "bf16", "int8")
    assert ours(tiny_model, "fp32")(TEXTS) >= 0
    config = AutoConfig.from_pretrained(tiny_model)
    d, f = config.hidden_size, config.intermediate_size
    layers = config.num_hidden_layers
    assert operations(config, [3, 5]) == layers * (8 * (8 * d * d + 4 * d * f) + 4 * d * (9 + 25))


def test_memory_of_a_process_is_read() -> None:
    memory = read_memory()
    assert 10 < memory.resident <= memory.peak


def test_the_cpu_is_described_by_what_it_has_units_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu, "SIZE", 64)
    for has_units in (True, False):
        monkeypatch.setattr(cpu, "has_bf16_units", lambda device, has_units=has_units: has_units)
        monkeypatch.setattr(cpu, "can_quantize", lambda has_units=has_units: has_units)
        gflops = cpu.describe()["gflops"]
        assert list(gflops) == (["fp32", "bf16", "int8"] if has_units else ["fp32"])
        assert min(gflops.values()) > 0
