"""What craft_linker costs: the measurement, with a ruler in place of craft_ner."""

from pathlib import Path

import linking_speed
import pytest
import spacy

from craftner_spacy.linking.knowledge_base import KnowledgeBase


def test_both_knowledge_bases_are_measured(
    tiny_kb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking_speed, "N_NAMES", 50)
    monkeypatch.setattr(linking_speed, "BUNDLED", tiny_kb)
    large = tmp_path / "large.sqlite"
    n_bundled = sum(row.n_names for row in KnowledgeBase(tiny_kb).labels())
    assert linking_speed.build_large(large)["names"] == n_bundled + 50
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "Cell", "pattern": "neurons"}])  # type: ignore[attr-defined]
    measured = linking_speed.measure(nlp, ["Two neurons."], {"bundled": tiny_kb, "large": large}, rounds=2)
    assert [list(turn) for turn in measured["seconds"]] == [["craft_ner", "bundled", "large"]] * 2
    rows = measured["knowledge_bases"]
    assert rows["large"]["names"] == rows["bundled"]["names"] + 50
    assert all(row["share"] > 0 and row["first_id_ms"] > 0 for row in rows.values())


def test_the_table_has_a_row_for_each_knowledge_base() -> None:
    row = {"names": 1234, "share": 0.0123, "memory_mb": 5.5, "first_id_ms": 2.25}
    report = {
        "precision": "bf16", "articles": 2, "words": 1000, "rounds": 3, "knowledge_bases": {"bundled": row},
        "machine": "x86_64", "versions": {"spacy": "3.8"},
    }  # fmt: skip
    assert "| bundled | 1,234 | 1.23% | 5.5 MB | 2.2 ms |" in linking_speed.as_markdown(report)
