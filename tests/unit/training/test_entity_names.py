"""entity_names.py: made-up mentions and ontologies only."""

import gzip
import sys
import zipfile
from pathlib import Path

import pytest
from tiny_ontology import OBO, OBO_NAMES, write_ontology

from craftner_spacy.training.augment import make_entity_replacement
from craftner_spacy.training.entity_names import read_mentions, read_ontology_names


def test_mentions_of_a_split_are_distinct_and_on_one_line(split: Path) -> None:
    assert read_mentions(split) == {"Cell": ["mast cell"], "Taxon": ["mice", "rats"]}
    assert read_mentions(str(split / "a.spacy")) == {"Taxon": ["mice", "rats"]}


@pytest.mark.parametrize("suffix", [".obo", ".OBO", ".obo.gz", ".obo.zip", ".zip"])
def test_names_and_exact_synonyms_of_an_ontology_are_read(tmp_path: Path, suffix: str) -> None:
    assert read_ontology_names(write_ontology(tmp_path, suffix)) == OBO_NAMES


def test_an_ontology_may_have_a_byte_order_mark_and_other_line_endings(tmp_path: Path) -> None:
    path = tmp_path / "tiny.obo"
    path.write_bytes(b"\xef\xbb\xbf" + OBO.replace("\n", "\r\n").replace("Round", "Ründ").encode())
    assert read_ontology_names(path)[0] == "Ründ cell"


def test_a_file_that_is_no_docbin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.spacy").write_text("text")
    with pytest.raises(ValueError, match=r"path: .*a\.spacy' has to be a DocBin"):
        make_entity_replacement(path=tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", OBO.encode(), r"a\.txt': allowed suffixes are \.obo, \.obo\.gz, \.zip"),
        ("a.obo", b"Plain text, no ontology.\n", r"a\.obo' has to be OBO in UTF-8"),
        ("a.obo", b"[Term]\nname: cell\n", r"a\.obo' has to be OBO in UTF-8"),
        ("a.obo", OBO.replace("Round", "R\xfcnd").encode("latin-1"), r"a\.obo' has to be OBO in UTF-8"),
        ("a.obo", b"ontology: empty\n", r"a\.obo' has to have \[Term\] stanzas with a name"),
        ("a.obo.gz", OBO.encode(), r"a\.obo\.gz' has to be OBO in UTF-8 \(BadGzipFile"),
        ("a.obo.gz", gzip.compress(OBO.encode())[:-20], r"a\.obo\.gz' has to be OBO in UTF-8 \(EOFError"),
        ("a.zip", OBO.encode(), r"a\.zip' has to be OBO in UTF-8 \(BadZipFile"),
    ],
)
def test_a_file_that_is_no_ontology_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        make_entity_replacement(ontologies={"Cell": tmp_path / name})


@pytest.mark.parametrize("members", [[], ["a.obo", "b.obo"]])
def test_an_archive_has_to_hold_one_ontology(tmp_path: Path, members: list[str]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for member in members:
            archive.writestr(member, OBO)
    with pytest.raises(
        ValueError, match=rf"a\.zip' has to be OBO .*has {len(members)} \.obo files; it has to have one"
    ):
        read_ontology_names(tmp_path / "a.zip")


def test_a_missing_obonet_is_an_error_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obonet", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[augment\]'"):
        make_entity_replacement(ontologies={"Cell": write_ontology(tmp_path, ".obo")})
