"""`annotate`: what it writes in each format, what it refuses to overwrite, and how much memory it takes."""

import tracemalloc
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import run_python
from spacy.language import Language
from spacy.tokens import Doc
from tiny_records import read_lines, sentence, write_lines

import craftner_spacy
from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.data.formats import FORMATS
from craftner_spacy.linking.builder import build
from craftner_spacy.linking.schema import Concept
from craftner_spacy.processing import engine
from craftner_spacy.processing.annotate import _resolve_model_path, annotate
from craftner_spacy.processing.settings import BATCH_RECORDS
from craftner_spacy.span_group import read_span_group
from craftner_spacy.types import Entity

WRITABLE = [(row.name, row.suffixes[0]) for row in FORMATS if row.write and row.keeps_records]


def test_entities_are_the_pipelines_and_fields_stay(tmp_path: Path, nlp: Language, many: Path) -> None:
    done = annotate(many, tmp_path / "out.jsonl", nlp)
    rows = read_lines(tmp_path / "out.jsonl")
    docs = list(nlp.pipe([row["text"] for row in rows], batch_size=BATCH_RECORDS))
    assert [row["n"] for row in rows] == list(range(done.records))
    for row, doc in zip(rows, docs, strict=True):
        assert [(e["start"], e["end"], e["label"], e["score"]) for e in row["entities"]] == [
            e[:4] for e in read_span_group(doc, "craft_ner")
        ]
        assert all(e["text"] == row["text"][e["start"] : e["end"]] for e in row["entities"])
    n_entities = sum(len(row["entities"]) for row in rows)
    assert n_entities > done.records
    assert (done.output, done.records, done.words, done.entities, done.skipped) == (
        tmp_path / "out.jsonl",
        len(rows),
        8 * len(rows),
        n_entities,
        0,
    )
    assert (done.new_records, done.new_words) == (done.records, done.words)
    assert done.seconds > 0
    assert not list(tmp_path.glob("*.work"))


def test_the_package_gives_annotate_and_imports_it_only_then() -> None:
    imported = '{"torch", "spacy", "craftner_spacy.processing"} & set(sys.modules)'
    run_python(f"import sys, craftner_spacy\nassert not {imported}", {})
    assert craftner_spacy.annotate is annotate
    with pytest.raises(AttributeError, match="no attribute 'annotated'"):
        craftner_spacy.annotated  # noqa: B018


def test_exact_characters_are_written_also_where_tokens_are_longer(
    tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    entities = [Entity(0, 5, "Protein", 0.9), Entity(5, 7, "Sequence", 0.4)]
    monkeypatch.setattr(CraftNER, "predict", lambda self, docs: [entities for _ in docs])
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "SirT1ko mice"}])
    annotate(source, tmp_path / "out.jsonl", nlp)
    (row,) = read_lines(tmp_path / "out.jsonl")
    assert row["entities"] == [
        {"start": 0, "end": 5, "label": "Protein", "score": 0.9, "text": "SirT1"},
        {"start": 5, "end": 7, "label": "Sequence", "score": 0.4, "text": "ko"},
    ]


SIRT1 = {"concept": "P:1", "concept_name": "SirT1", "concept_score": 0.997}


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A knowledge base of two names."""
    path = tmp_path_factory.mktemp("kb") / "kb.sqlite"
    build(path, [("Protein", Concept("P:1", "SirT1")), ("Taxon", Concept("T:1", "mouse"))])
    return path


@pytest.mark.parametrize("n_process", [1, 2])
@pytest.mark.filterwarnings("ignore:the knowledge base has no table for")
def test_ids_also_where_tokens_are_longer(
    n_process: int, tmp_path: Path, pipeline: Path, kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entities = [Entity(0, 5, "Protein", 0.9), Entity(8, 12, "Taxon", 0.8), Entity(5, 7, "Taxon", 0.4)]
    monkeypatch.setattr(CraftNER, "predict", lambda self, docs: [entities for _ in docs])
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "SirT1ko mice"}])
    monkeypatch.chdir(kb.parent)
    done = annotate(source, tmp_path / "out.jsonl", str(pipeline), kb=kb.name, n_process=n_process)
    assert (done.entities, done.linked) == (3, 2)
    protein, part, taxon = read_lines(tmp_path / "out.jsonl")[0]["entities"]
    assert protein == {"start": 0, "end": 5, "label": "Protein", "score": 0.9, "text": "SirT1", **SIRT1}
    assert part == {"start": 5, "end": 7, "label": "Taxon", "score": 0.4, "text": "ko"}
    assert (taxon["text"], taxon["concept"]) == ("mice", "T:1")


def test_none_gives_the_bytes_of_a_pipeline_without_linker(
    tmp_path: Path, nlp: Language, pipeline: Path, tiny_kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_words(self: CraftNER, docs: Iterable[Doc]) -> list[list[Entity]]:
        return [[Entity(0, len(doc[0]), "Taxon", 0.5)] for doc in docs]

    monkeypatch.setattr(CraftNER, "predict", first_words)
    source = write_lines(tmp_path / "in.jsonl", [{"id": n, "text": sentence(n)} for n in range(3)])
    annotate(source, tmp_path / "plain.jsonl", nlp)
    linked = annotate(source, tmp_path / "ids.jsonl", str(pipeline), kb=str(tiny_kb))
    assert annotate(source, tmp_path / "none.jsonl", str(pipeline), kb="none").linked == 0 < linked.linked
    plain = (tmp_path / "plain.jsonl").read_bytes()
    assert (tmp_path / "none.jsonl").read_bytes() == plain
    rows = read_lines(tmp_path / "ids.jsonl")
    for row in rows:
        for entity in row["entities"]:
            for field in ("concept", "concept_name", "concept_score"):
                entity.pop(field, None)
    assert rows == read_lines(tmp_path / "plain.jsonl")


def test_labels_without_ids_are_told_once(tmp_path: Path, tiny_model: Path, kb: Path, many: Path) -> None:
    with pytest.warns(UserWarning, match="the knowledge base has no table for Cell, .*: their") as caught:
        annotate(many, tmp_path / "out.jsonl", str(tiny_model), kb=str(kb))
    assert len(caught) == 1


def test_a_run_with_other_ids_is_not_continued(stopped: Path, many: Path, pipeline: Path, kb: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.kb: None then, '[0-9a-f]{56}\.\.\. now"):
        annotate(many, stopped, str(pipeline), kb="bundled", shard_characters=1)


def test_a_wrong_knowledge_base_stops_before_the_work(tmp_path: Path, pipeline: Path, many: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"kb = '.*none.sqlite': there is no such file"):
        annotate(many, tmp_path / "out.jsonl", str(pipeline), kb=str(tmp_path / "none.sqlite"))
    assert list(tmp_path.iterdir()) == [many]


@pytest.mark.parametrize(("name", "suffix"), WRITABLE)
def test_every_output_format_has_the_same_entities(
    name: str, suffix: str, tmp_path: Path, nlp: Language
) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": n, "text": sentence(n)} for n in range(3)])
    annotate(source, tmp_path / "out.jsonl", nlp)
    annotate(source, tmp_path / f"other{suffix}.gz", nlp)
    back = annotate(tmp_path / f"other{suffix}.gz", tmp_path / "back.jsonl", nlp)
    assert back.records == 3
    assert [row["entities"] for row in read_lines(tmp_path / "back.jsonl")] == [
        row["entities"] for row in read_lines(tmp_path / "out.jsonl")
    ]


def test_an_output_that_exists_is_not_replaced_unless_told_to(tmp_path: Path, nlp: Language) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    out = tmp_path / "out.jsonl"
    out.write_text("mine", encoding="utf8")
    with pytest.raises(FileExistsError, match=r"out.jsonl exists already.*--overwrite"):
        annotate(source, out, nlp)
    assert out.read_text(encoding="utf8") == "mine"
    assert annotate(source, out, nlp, overwrite=True).records == 1
    with pytest.raises(ValueError, match=r"in.jsonl is one of the inputs"):
        annotate(source, source, nlp, overwrite=True)


def test_an_output_that_cannot_hold_entities_is_refused(tmp_path: Path, nlp: Language) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    with pytest.raises(ValueError, match=r"out\.txt: its suffix names no format.* Known are \.jsonl"):
        annotate(source, tmp_path / "out.txt", nlp)


def test_a_model_folder_is_named_by_its_absolute_path(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pipeline.parent)
    (tmp_path / "small").mkdir()
    assert _resolve_model_path(pipeline.name) == str(pipeline.resolve())
    monkeypatch.chdir(tmp_path)
    assert _resolve_model_path("small") == "small", "the shipped model comes before a folder"


def test_memory_does_not_grow_with_the_input(tmp_path: Path, nlp: Language) -> None:
    def rows(n: int) -> Iterator[dict[str, Any]]:
        return ({"id": k, "text": sentence(k), "note": "x" * 5000} for k in range(n))

    def peak(n: int, **settings: int) -> int:
        source = write_lines(tmp_path / f"{n}.jsonl", rows(n))
        tracemalloc.start()
        annotate(source, tmp_path / f"{n}.xml", nlp, overwrite=True, **settings)  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2 * BATCH_RECORDS)
    # The records alone hold 2 MB more.
    assert peak(8 * BATCH_RECORDS, shard_characters=1) < peak(2 * BATCH_RECORDS, shard_characters=1) + 500_000
    # Nor with the size of a shard: here all records are in one.
    assert peak(8 * BATCH_RECORDS) < peak(2 * BATCH_RECORDS) + 500_000


def test_no_inputs_are_an_error_that_says_what_is_allowed(tmp_path: Path) -> None:
    for inputs in ([], "", [""]):
        with pytest.raises(ValueError, match=r"inputs = \[.*\]: allowed are files and folders, at least one"):
            annotate(inputs, tmp_path / "out.jsonl")  # type: ignore[arg-type]


def test_labels_get_names(tmp_path: Path, trained_pipeline: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [{"id": "1", "text": "The kinase in mouse brain ."}])
    out = tmp_path / "out.jsonl"
    annotate(tmp_path / "in.jsonl", out, str(trained_pipeline), label_map={"Taxon": "Species"})
    [row] = read_lines(out)
    assert [entity["label"] for entity in row["entities"]] == ["Protein", "Species"]


def test_inputs_may_be_a_generator(tmp_path: Path, nlp: Language) -> None:
    for name in "ab":
        write_lines(tmp_path / f"{name}.jsonl", [{"id": name, "text": "mouse"}])
    assert annotate(sorted(tmp_path.glob("*.jsonl")), tmp_path / "list.csv", nlp).records == 2
    assert annotate(tmp_path.glob("*.jsonl"), tmp_path / "generator.csv", nlp).records == 2


@pytest.mark.parametrize("setting", ["kb", "model"])
def test_a_file_whose_name_begins_with_a_tilde_need_not_be_in_a_home(
    setting: str, many: Path, tmp_path: Path, tiny_model: Path, kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="~no-such-user"):
        annotate(many, "out.jsonl", **{"model": str(tiny_model), setting: "~no-such-user/x"})  # type: ignore[arg-type]
    (tmp_path / "~model").symlink_to(tiny_model)
    (tmp_path / "~kb").symlink_to(kb)
    with pytest.warns(UserWarning, match="has no table for"):
        assert annotate(many, "out.jsonl", "~model", kb="~kb", limit=1).records == 1


def test_warnings_of_the_process_stay_as_they_are(many: Path, tmp_path: Path, nlp: Language) -> None:
    before = list(warnings.filters)
    seen = []
    find_entities = engine.find_entities

    def look(*args: Any) -> Any:
        seen.append(warnings.filters == before)
        return find_entities(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "find_entities", look)
        annotate(many, tmp_path / "out.jsonl", nlp, limit=3)
    assert seen == [True]
