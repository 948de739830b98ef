"""The progress of a forward pass: who listens hears of each batch of windows."""

from pathlib import Path

import pytest
import spacy

from craftner_spacy.progress import listen, report_progress


def test_a_listener_hears_of_each_batch_of_windows_up_to_all(pipeline: Path) -> None:
    nlp = spacy.load(pipeline)
    nlp.get_pipe("craft_ner").model.attrs["batch_tokens"] = 20
    shares: list[float] = []
    with listen(shares.append):
        nlp("mouse kinase yeast cells. " * 200)
    assert len(shares) > 5
    assert shares == sorted(set(shares))
    assert shares[-1] == pytest.approx(1)
    nlp("mouse")
    assert shares[-1] == pytest.approx(1)


def test_the_listener_of_before_comes_back() -> None:
    outer: list[float] = []
    inner: list[float] = []
    with listen(outer.append):
        with listen(inner.append):
            report_progress(1, 2)
        report_progress(3, 4)
    report_progress(4, 4)
    assert (outer, inner) == ([0.75], [0.5])
