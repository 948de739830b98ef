"""Corpora of others: read from PubTator and standoff, and written without any text that is reserved."""

from pathlib import Path

import outside_corpora
import pytest
import spacy
import srsly
from annotated_texts import AnnotatedText, read_pubtator, read_standoff, without_overlap
from known_text import KnownText
from reserved import part_of, reserved
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from craftner_spacy.types import Entity

LONG = "The kinase of the second pathway binds to the promoter of a gene in the liver of old rats."
OTHER = "Nobody has asked before whether the enzyme of this yeast is made in the cold of a long winter."
THIRD = "A protein without a name was found by chance in the blood of four dogs and two young cats."


def block(number: str, title: str, abstract: str, *entities: tuple[str, str]) -> str:
    text = f"{title} {abstract}"
    rows = [f"{number}\t{text.index(e)}\t{text.index(e) + len(e)}\t{e}\t{label}\t1" for e, label in entities]
    return "\n".join([f"{number}|t|{title}", f"{number}|a|{abstract}", *rows]) + "\n\n"


def ids_of(part: str, n: int) -> list[str]:
    return [str(i) for i in range(10_000) if part_of(str(i)) == part][:n]


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A document of each part, one that is held out, and their text in other corpora."""
    (train, other, held_out), [dev], [test] = ids_of("train", 3), ids_of("dev", 1), ids_of("test", 1)
    files = {
        "BioRED_TrainDev": block(train, "On Abc1.", "Abc1 helps.", ("Abc1", "Gene"))
        + block(dev, "On Dev1.", LONG, ("kinase", "Gene"))
        + block(test, "On Tst1.", OTHER, ("enzyme", "Gene"))
        + block(held_out, "On Hld1.", THIRD, ("protein", "Gene")),
        "DrugProt_Test": block(other, "On Xyz2.", "Xyz2 helps.", ("Xyz2", "Gene"))
        + block(dev, "On Dev1.", LONG)
        + block("77777777", "Another number.", LONG)
        + block(held_out, "On Hld1.", THIRD),
    }
    (tmp_path / "aioner").mkdir()
    for name, text in files.items():
        (tmp_path / "aioner" / f"{name}.PubTator").write_text(text, encoding="utf-8")
    (tmp_path / "aioner" / "held-out.txt").write_text(f"{held_out}\n")
    sentences = [LONG, OTHER, THIRD, "on Dev1 .", "Free text on Abc1 of mice is read."]
    rows = [
        "\n".join(f"{w}\t{'B-GENE' if i == 1 else 'O'}" for i, w in enumerate(s.split())) for s in sentences
    ]
    (tmp_path / "mtl" / "BC2GM-IOB").mkdir(parents=True)
    (tmp_path / "mtl" / "BC2GM-IOB" / "train.tsv").write_text("\n\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "jnlpba").mkdir()
    for name, text in {"9": "Cells of mice grow.", "10": f"Title.\n{OTHER}"}.items():
        (tmp_path / "jnlpba" / f"{name}.txt").write_text(text)
        (tmp_path / "jnlpba" / f"{name}.ann").write_text(f"T1\tcell_type 0 5\t{text[:5]}\n")
    (tmp_path / "craft").mkdir()
    for split in ("devel", "test"):
        (tmp_path / "craft" / f"{split}.tsv").write_text("Held\tO\nout\tO\n\n")
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "1.txt").write_text("Held out\n\nAn article.\n")
    return tmp_path


def test_no_reserved_text_is_written_whatever_file_it_is_in(assets: Path) -> None:
    out = assets / "out"
    folders = (assets / name for name in ("mtl", "aioner", "jnlpba", "craft", "articles"))
    outside_corpora.main(*folders, out, assets / "counts.json")
    texts = {
        path.stem: [doc.text for doc in DocBin().from_disk(path).get_docs(Vocab())] for path in out.glob("*")
    }
    assert texts["BioRED_TrainDev"] == ["On Abc1. Abc1 helps."]
    assert texts["DrugProt_Test"] == ["On Xyz2. Xyz2 helps."]
    assert texts["JNLPBA_Train"] == ["Cells of mice grow."]
    assert [" ".join(text.split()) for text in texts["BC2GM"]] == ["Free text on Abc1 of mice is read."]
    report = srsly.read_json(assets / "counts.json")
    assert report["weights"] is None
    counts = {name: tuple(row.values()) for name, row in report["corpora"].items()}
    assert counts == {
        "BC2GM": (1, 4, 0, 1, 0),
        "BioRED_TrainDev": (1, 3, 0, 1, 0),
        "DrugProt_Test": (1, 3, 0, 1, 0),
        "JNLPBA_Train": (1, 1, 0, 1, 0),
    }


def test_an_article_of_craft_is_reserved_as_a_whole(assets: Path) -> None:
    (assets / "articles" / "1.txt").write_text(f"Held out\n\n{LONG}\n")
    (assets / "articles" / "2.txt").write_text(f"Of the training split\n\n{OTHER}\n")
    excluded = outside_corpora.ReservedText(assets / "craft", assets / "articles")
    assert excluded.has_document(LONG)
    assert excluded.has_sentence("held-out")
    assert not excluded.has_sentence(OTHER)


def test_a_part_is_chosen_by_the_id_and_held_out_documents_are_in_none(assets: Path) -> None:
    path = assets / "aioner" / "BioRED_TrainDev.PubTator"
    for part in ("dev", "test"):
        [text] = reserved(path.stem, read_pubtator(path), set(), part)
        assert part_of(text.id) == part
        assert not reserved(path.stem, read_pubtator(path), {text.id}, part)
    assert len(reserved(path.stem, read_pubtator(path), set())) == 2
    assert not reserved("GNormPlus_Train", read_pubtator(path), set(), "test")
    assert len(reserved("GNormPlus_Test", read_pubtator(path), set(), "test")) == 4
    assert not reserved("GNormPlus_Test", read_pubtator(path), set(), "dev")


def test_pubtator_entities_that_are_not_in_the_text_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.PubTator"
    path.write_text(
        "7|t|On Abc1.\n7|a|\n7\t3\t7\tABC1\tGene\t5\n7\t0\t4\tAbc1\tGene\t5\n\n", encoding="utf-8"
    )
    assert list(read_pubtator(path)) == [AnnotatedText("7", "On Abc1.", (Entity(3, 7, "Gene"),), 1)]


@pytest.mark.parametrize(
    "text", ["7|t|On Abc1.\n7\t3\t7\tAbc1\tGene\n", "7|t|On Abc1.\n7|a|\n7\t3\tAbc1\tGene\n", "no corpus\n"]
)
def test_a_file_that_is_not_pubtator_is_named_with_its_block(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.PubTator").write_text(text)
    with pytest.raises(ValueError, match=r"a\.PubTator, block 1: .* has to be ID"):
        list(read_pubtator(tmp_path / "a.PubTator"))


def test_standoff_entities_of_several_parts_are_counted(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("T and B cells")
    (tmp_path / "1.ann").write_text("T1\tcell_type 6 13\tB cells\nT2\tcell_type 0 1;8 13\tT cells\nR1\tx\n")
    assert list(read_standoff(tmp_path)) == [
        AnnotatedText("1", "T and B cells", (Entity(6, 13, "cell_type"),), 1)
    ]
    with pytest.raises(FileNotFoundError, match="has no text"):
        list(read_standoff(tmp_path / "none"))


def test_of_entities_that_overlap_the_longest_is_kept_and_tokens_end_where_it_ends() -> None:
    entities = (Entity(0, 4, "Gene"), Entity(0, 11, "Family"), Entity(14, 16, "Gene"))
    assert without_overlap(entities) == [entities[1], entities[2]]
    doc = outside_corpora.make_doc(spacy.blank("en"), AnnotatedText("1", "Abc1 family inAb", entities))
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Abc1 family", "Family"), ("Ab", "Gene")]


def test_text_is_known_with_other_words_case_and_greek_letters() -> None:
    known = KnownText(
        ["Loss of β-catenin in mice (Ctnnb1−/−) leads to defects of the heart and of the liver."]
    )
    assert known.share("loss of beta - catenin in mice ( Ctnnb1 - / - ) leads to defects of the heart") == 1.0
    assert (
        known.share("Gain of a cadherin in rats never leads to such defects of the heart and lungs.") == 0.0
    )
    assert known.share("loss of β-catenin") == 0.0
