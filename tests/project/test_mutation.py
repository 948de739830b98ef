"""The report of mutation tests, from what mutmut prints."""

import pytest
from mutation import as_markdown, decorated, read_change, read_statuses, tally

RESULTS = """
    craftner_spacy.windows.x_cut_range__mutmut_1: killed
    craftner_spacy.windows.x_cut_range__mutmut_2: timeout
    craftner_spacy.windows.x_cut_range__mutmut_3: survived
    craftner_spacy.windows.x_assign_words__mutmut_1: segfault
    craftner_spacy.training.corpus.xǁSentenceWindowsǁ__call____mutmut_7: no tests
"""
DIFF = """# craftner_spacy.windows.x_cut_range__mutmut_3: survived
--- craftner_spacy/windows.py
+++ craftner_spacy/windows.py
@@ -1,4 +1,4 @@
 def cut_range(start, end):
-    length = end - start
+    length = end + start
     return length
"""


def test_mutants_are_counted_by_module_and_status() -> None:
    assert tally(read_statuses(RESULTS)) == {
        "windows": {"mutants": 4, "killed": 2, "timed_out": 1, "survived": 1, "share": 0.75},
        "training.corpus": {"mutants": 1, "killed": 0, "timed_out": 0, "survived": 1, "share": 0.0},
    }


def test_a_survivor_is_shown_with_its_change() -> None:
    change = read_change(DIFF)
    assert change == {"before": "length = end - start", "after": "length = end + start"}
    modules = tally(read_statuses(RESULTS))
    name = "craftner_spacy.training.corpus.xǁSentenceWindowsǁ__call____mutmut_7"
    origin = {"machine": "x86_64", "versions": {"mutmut": "1"}}
    page = as_markdown({"modules": modules, "survivors": {name: change}, "decorated": [], **origin})
    assert "| windows | 4 | 2 | 1 | 1 | 75.0% |" in page
    lines = "      length = end - start\n      length = end + start\n"
    assert f"- training.corpus, `SentenceWindows.__call__`\n\n{lines}" in page


@pytest.mark.parametrize(
    ("source", "names"),
    [("def f(): ...", []), ("class A:\n @property\n def f(self): ...\n def g(self): ...", ["f"])],
)
def test_functions_that_mutmut_does_not_change_are_listed(source: str, names: list[str]) -> None:
    assert decorated(source) == names
