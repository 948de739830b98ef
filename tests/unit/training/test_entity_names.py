"""entity_names.py: made-up mentions and ontologies only."""

from pathlib import Path

import pytest
from tiny_ontology import OBO_NAMES, write_ontology

from craftner_spacy.training.augment import make_entity_replacement
from craftner_spacy.training.entity_names import read_mentions, read_ontology_names


def test_mentions_of_a_split_are_distinct_and_on_one_line(split: Path) -> None:
    assert read_mentions(split) == {"Cell": ["mast cell"], "Taxon": ["mice", "rats"]}
    assert read_mentions(str(split / "a.spacy")) == {"Taxon": ["mice", "rats"]}


@pytest.mark.parametrize("suffix", [".obo", ".OBO", ".obo.gz", ".obo.zip", ".zip"])
def test_names_and_exact_synonyms_of_an_ontology_are_read(tmp_path: Path, suffix: str) -> None:
    assert read_ontology_names(write_ontology(tmp_path, suffix)) == OBO_NAMES


def test_names_of_a_table_are_read(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text("id\tname\tscope\nX:1\tmast_cell\tname\nX:1\tmastocyte\texact\nX:1\tgranule\trelated\n")
    assert read_ontology_names(path) == ["mast cell", "mastocyte"]


def test_a_file_that_is_no_docbin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.spacy").write_text("text")
    with pytest.raises(ValueError, match=r"path: .*a\.spacy' has to be a DocBin"):
        make_entity_replacement(path=tmp_path)


def test_a_file_that_is_no_ontology_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.obo").write_text("Plain text, no ontology.\n")
    with pytest.raises(ValueError, match=r"ontology = .*a\.obo': there is no concept with a name in it"):
        make_entity_replacement(ontologies={"Cell": tmp_path / "a.obo"})
