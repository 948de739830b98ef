"""The component: what it writes on a Doc, how it is saved, filled and scored, and what it refuses."""

import gc
import pickle
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy import displacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Example

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.candidates import PRECISION
from craftner_spacy.linking.craft_linker import CraftLinker
from craftner_spacy.linking.knowledge_base import BUNDLED, KnowledgeBase
from craftner_spacy.linking.links import KB_URL_TEMPLATE
from craftner_spacy.linking.schema import Concept
from craftner_spacy.span_group import read_span_group, write_span_group
from craftner_spacy.types import Entity

TEXT = "Two neurons of a brown rat, trophoblast giant cells and giant cells."
IDS = [("neurons", "X:1"), ("brown rat", "T:2"), ("trophoblast giant cells", "X:2"), ("giant cells", "X:2")]


def ids(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.kb_id_) for ent in doc.ents]


def linker_of(nlp: Language) -> CraftLinker:
    linker = nlp.get_pipe("craft_linker")
    assert isinstance(linker, CraftLinker)
    return linker


@Language.component("write_group")
def write_group(doc: Doc) -> Doc:
    """Write a span group as craft_ner does."""
    entities = [Entity(ent.start_char, ent.end_char, ent.label_, 0.5) for ent in doc.ents]
    write_span_group(doc, "found", list(doc.ents), entities, [])
    return doc


def with_settings(nlp: Language, **settings: Any) -> Language:
    nlp.remove_pipe("craft_linker")
    nlp.add_pipe("craft_linker", config=settings)
    return nlp


def test_ids_on_entities_and_spans(nlp: Language) -> None:
    doc = nlp(TEXT)
    assert ids(doc) == IDS
    group = doc.spans["found"]
    assert [(span.text, span.kb_id_) for span in group] == IDS
    assert [[candidate["id"] for candidate in found] for found in group.attrs["concepts"]] == [
        ["X:1"], ["T:2"], ["X:2"], ["X:2"],
    ]  # fmt: skip
    assert group.attrs["concepts"][3] == [
        {
            "id": "X:2",
            "name": "giant cell of trophoblast",
            "score": PRECISION["longer form"],
            "match": "longer form",
        }
    ]


def test_a_group_that_is_there_is_linked_and_keeps_its_attrs(nlp: Language) -> None:
    doc = nlp.make_doc("SirT1 neuronsko mice")
    group = SpanGroup(
        doc,
        name="found",
        spans=[Span(doc, 1, 2, label="Cell")],
        attrs={"offsets": [[6, 13]], "scores": [0.5]},
    )
    doc.spans["found"] = group
    linker_of(nlp)(doc)
    assert [span.kb_id_ for span in doc.spans["found"]] == ["X:1"]
    assert doc.spans["found"].attrs["scores"] == [0.5]
    assert doc.spans["found"].attrs["concepts"][0][0]["id"] == "X:1"
    assert doc.ents == ()


@pytest.mark.parametrize("offsets", [None, [], "odd", [[0, 5], [6, 13]]])
def test_offsets_that_do_not_fit_are_not_used(nlp: Language, offsets: object) -> None:
    doc = nlp.make_doc("Two neurons")
    doc.spans["found"] = SpanGroup(doc, spans=[Span(doc, 1, 2, label="Cell")], attrs={"offsets": offsets})
    assert linker_of(nlp)(doc).spans["found"][0].kb_id_ == "X:1"


def test_spans_key(nlp: Language, kb_path: Path) -> None:
    doc = with_settings(nlp, kb=str(kb_path), spans_key=None)(TEXT)
    assert ids(doc) == IDS
    assert not doc.spans
    assert list(with_settings(nlp, kb=str(kb_path))(TEXT).spans) == ["craft_ner"]


def test_threshold(nlp: Language, kb_path: Path) -> None:
    doc = with_settings(nlp, kb=str(kb_path), threshold=0.9)(TEXT)
    assert ids(doc) == [*IDS[:3], ("giant cells", "")]
    assert doc.spans["craft_ner"].attrs["concepts"][3] == []


@pytest.mark.parametrize(("n", "found"), [(1, ["X:3"]), (2, ["X:3", "X:1"]), (5, ["X:3", "X:1"])])
def test_max_candidates(nlp: Language, kb_path: Path, n: int, found: list[str]) -> None:
    doc = with_settings(nlp, kb=str(kb_path), max_candidates=n)("fibres")
    [candidates] = doc.spans["craft_ner"].attrs["concepts"]
    assert [candidate["id"] for candidate in candidates] == found


def test_a_thousand_candidates(nlp: Language, tmp_path: Path) -> None:
    build(tmp_path / "kb", [("Cell", Concept(f"X:{i:04}", "neuron")) for i in range(1000)])
    doc = with_settings(nlp, kb=str(tmp_path / "kb"), max_candidates=3)(" and ".join(["neurons"] * 50))
    found = [[candidate["id"] for candidate in c] for c in doc.spans["craft_ner"].attrs["concepts"]]
    assert found == [["X:0000", "X:0001", "X:0002"]] * 50


@pytest.mark.parametrize(("overwrite", "expected"), [(True, "X:1"), (False, "MINE:1")])
def test_overwrite(nlp: Language, kb_path: Path, overwrite: bool, expected: str) -> None:
    linker = linker_of(with_settings(nlp, kb=str(kb_path), spans_key="found", overwrite=overwrite))
    doc = nlp.make_doc("Two neurons and fibres unknown")
    mine = [Span(doc, 1, 2, label="Cell", kb_id="MINE:1"), Span(doc, 4, 5, label="Cell", kb_id="MINE:2")]
    doc.ents = mine
    doc.spans["found"] = mine
    linker(doc)
    assert [ent.kb_id_ for ent in doc.ents] == [expected, "MINE:2"]
    assert [span.kb_id_ for span in doc.spans["found"]] == [expected, "MINE:2"]
    assert doc.spans["found"].attrs["concepts"][0][0]["id"] == "X:1"


def test_prefer_taxa(nlp: Language, kb_path: Path) -> None:
    assert ids(nlp("Pax6")) == [("Pax6", "P:1")]
    assert ids(with_settings(nlp, kb=str(kb_path), prefer_taxa=["T:2"])("Pax6")) == [("Pax6", "P:2")]
    assert ids(nlp("brown rat Pax6"))[1] == ("Pax6", "P:2")


def test_linking_again_changes_nothing(nlp: Language) -> None:
    doc = nlp(TEXT)
    before = doc.to_bytes()
    assert linker_of(nlp)(doc).to_bytes() == before


def test_a_document_without_entities(nlp: Language) -> None:
    assert nlp("Nothing here.").spans["found"].attrs["concepts"] == []
    assert len(nlp("")) == 0


def test_docbin_keeps_ids_and_candidates(nlp: Language) -> None:
    doc = nlp(TEXT)
    [read] = DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(spacy.blank("en").vocab)
    assert ids(read) == IDS
    assert [span.kb_id_ for span in read.spans["found"]] == [id_ for _, id_ in IDS]
    assert read.spans["found"].attrs == doc.spans["found"].attrs


def test_displacy_links_to_the_concept(nlp: Language) -> None:
    html = displacy.render(nlp(TEXT), style="ent", options={"kb_url_template": KB_URL_TEMPLATE})
    assert 'href="https://bioregistry.io/X:1"' in html


def test_pipe_is_call(nlp: Language) -> None:
    texts = [TEXT, "", "neurons", "nothing"] * 3
    assert [ids(doc) for doc in nlp.pipe(texts, batch_size=5)] == [ids(nlp(text)) for text in texts]


def test_n_process(nlp: Language) -> None:
    nlp(TEXT)
    docs = nlp.pipe([TEXT] * 6, n_process=2, batch_size=2)
    assert [ids(doc) for doc in docs] == [IDS] * 6


@pytest.mark.parametrize("n_process", [1, 2])
def test_entities_that_were_merged_to_single_tokens(nlp: Language, n_process: int) -> None:
    nlp.add_pipe("write_group", before="craft_linker")
    nlp.add_pipe("merge_entities", before="craft_linker")
    for doc in nlp.pipe([TEXT] * 2, n_process=n_process):
        assert [len(ent) for ent in doc.ents] == [1] * 4
        assert ids(doc) == [(span.text, span.kb_id_) for span in doc.spans["found"]] == IDS
        assert doc.spans["found"].attrs["scores"] == [0.5] * 4


@pytest.mark.parametrize("n_process", [1, 2])
def test_entities_that_were_merged_without_a_span_group(nlp: Language, n_process: int) -> None:
    nlp.add_pipe("merge_entities", before="craft_linker")
    assert [ids(doc) for doc in nlp.pipe([TEXT] * 2, n_process=n_process)] == [IDS] * 2


def test_tokens_that_are_merged_later_keep_their_ids(nlp: Language) -> None:
    nlp.add_pipe("write_group", before="craft_linker")
    nlp.add_pipe("merge_entities")
    doc = nlp(TEXT)
    assert ids(doc) == IDS
    assert [e.concept.id for e in read_span_group(doc, "found") if e.concept] == [id_ for _, id_ in IDS]


def test_threads(nlp: Language) -> None:
    found: list[list[tuple[str, str]]] = []
    threads = [threading.Thread(target=lambda: found.append(ids(nlp(TEXT)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [IDS] * 4


def test_labels_without_a_table_are_counted_once(nlp: Language) -> None:
    message = (
        r"craft_linker: 3 entities have labels that the knowledge base has no table for \(Planet\) and got "
        "no id; it has one for Cell, Protein, Taxon"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        docs = list(nlp.pipe(["Mars", "Mars and neurons", "Mars"]))
    assert len(caught) == 1
    assert ids(docs[1]) == [("Mars", ""), ("neurons", "X:1")]
    with pytest.warns(UserWarning, match="craft_linker: 1 entities"):
        nlp("Mars")


def test_labels_are_those_of_the_knowledge_base(nlp: Language) -> None:
    assert linker_of(nlp).labels == ()
    nlp(TEXT)
    assert linker_of(nlp).labels == ("Cell", "Protein", "Taxon")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 2.0}, "threshold = 2.0: allowed are numbers from 0 to 1"),
        ({"max_candidates": 0}, "max_candidates = 0: allowed are whole numbers from 1"),
        ({"spans_key": ""}, "spans_key = '': allowed are a name, or null"),
        ({"kb": ""}, "kb = '': allowed are 'bundled' or the path of a file"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spacy.blank("en").add_pipe("craft_linker", config=settings)


def test_a_missing_file_is_named_when_it_is_needed(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_linker", config={"kb": str(tmp_path / "none.sqlite")})
    with pytest.raises(FileNotFoundError, match=r"kb = '.*none.sqlite': there is no such file"):
        nlp("Two neurons")


def broken(doc: Doc) -> bool:
    return "broken" in doc.text


@pytest.fixture
def failing(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> Language:
    linker = linker_of(nlp)
    set_annotations = linker.set_annotations

    def fail(docs: list[Doc], found: Any) -> None:
        if broken(docs[0]):
            raise OSError("no more paper")
        set_annotations(docs, found)

    monkeypatch.setattr(linker, "set_annotations", fail)
    return nlp


def test_an_error_is_raised(failing: Language) -> None:
    with pytest.raises(OSError, match="no more paper"):
        failing("broken neurons")
    with pytest.raises(OSError, match="no more paper"):
        list(failing.pipe(["neurons", "broken neurons"]))


def test_the_error_handler_gets_the_document_alone(failing: Language) -> None:
    handled: list[tuple[str, list[str], str]] = []
    failing.set_error_handler(
        lambda name, _, docs, err: handled.append((name, [d.text for d in docs], str(err)))
    )
    docs = list(failing.pipe(["neurons", "broken neurons", "giant cells"]))
    assert [doc.text for doc in docs] == ["neurons", "giant cells"]
    assert handled == [("craft_linker", ["broken neurons"], "no more paper")]
    assert failing("broken").text == "broken"


def test_saved_with_its_knowledge_base(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "saved")
    nlp.to_disk(tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / "moved")
    config = tmp_path / "moved" / "config.cfg"
    config.write_text(config.read_text().replace(str(linker_of(nlp).kb_path), "gone.sqlite"))
    loaded = spacy.load(tmp_path / "moved")
    assert ids(loaded(TEXT)) == IDS
    assert linker_of(loaded).kb_path == tmp_path / "moved" / "craft_linker" / "kb.sqlite"
    loaded.to_disk(tmp_path / "moved")
    assert ids(loaded(TEXT)) == IDS
    assert sorted(path.name for path in (tmp_path / "moved" / "craft_linker").iterdir()) == [
        "cfg",
        "kb.sqlite",
    ]


def test_saved_without_its_knowledge_base(nlp: Language, kb_path: Path, tmp_path: Path) -> None:
    with_settings(nlp, kb=str(kb_path), save_kb=False).to_disk(tmp_path / "saved")
    assert [path.name for path in (tmp_path / "saved" / "craft_linker").iterdir()] == ["cfg"]
    loaded = spacy.load(tmp_path / "saved")
    assert ids(loaded(TEXT)) == IDS
    assert linker_of(loaded).kb_path == kb_path
    assert len(nlp.to_bytes()) < kb_path.stat().st_size + 100_000


SETTINGS = {
    "spans_key": None,
    "threshold": 0.25,
    "max_candidates": 2,
    "overwrite": False,
    "prefer_taxa": ["T:2"],
    "save_kb": False,
}


def test_settings_are_saved_and_restored(nlp: Language, kb_path: Path, tmp_path: Path) -> None:
    linker = linker_of(nlp)
    assert linker.cfg.keys() == {"kb", *SETTINGS}
    for name, value in SETTINGS.items():
        setattr(linker, name, value)
    linker.to_disk(tmp_path / "linker")
    for other in (
        CraftLinker(spacy.blank("en"), kb=str(kb_path), spans_key="found").from_disk(tmp_path / "linker"),
        CraftLinker(spacy.blank("en"), kb=str(kb_path), spans_key="found").from_bytes(linker.to_bytes()),
    ):
        assert other.cfg == {**SETTINGS, "kb": str(kb_path)}


def test_another_knowledge_base_can_be_set(nlp: Language, kb_path: Path, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "saved")
    linker = linker_of(spacy.load(tmp_path / "saved"))
    assert linker.labels == ()
    assert linker.knowledge_base.path != kb_path
    linker.kb = str(kb_path)
    assert linker.knowledge_base.path == kb_path
    with pytest.raises(ValueError, match="kb = '': allowed are 'bundled' or the path of a file"):
        linker.kb = ""


def test_entities_without_a_place_on_the_tokens_are_linked(nlp: Language) -> None:
    doc = nlp.make_doc("rats: Rattus norvegicus; NCsko of R. norvegicus")
    unplaced = [
        {"start": 25, "end": 28, "label": "Cell", "score": 0.5},
        {"start": 34, "end": 47, "label": "Taxon", "score": None},
        {"start": 0, "end": 4, "label": "Cell", "score": 0.5},
    ]
    group = [Span(doc, 2, 4, label="Taxon")]
    doc.spans["found"] = SpanGroup(doc, spans=group, attrs={"unplaced": unplaced})
    linker_of(nlp)(doc)
    linked = doc.spans["found"].attrs["unplaced"]
    assert [[c["id"] for c in entity["concepts"]] for entity in linked] == [["X:1"], ["T:2"], []]
    assert linked[1]["concepts"][0]["match"] == "initial", "the species is named by a placed entity"
    assert [e.concept.id if e.concept else None for e in read_span_group(doc, "found")] == [
        None, "T:2", "X:1", "T:2",
    ]  # fmt: skip
    before = doc.to_bytes()
    assert linker_of(nlp)(doc).to_bytes() == before


@pytest.mark.parametrize("unplaced", [None, "odd", [7], [{"start": 0}]])
def test_a_list_that_is_none_of_entities_stays(nlp: Language, unplaced: object) -> None:
    doc = nlp.make_doc("Two neurons")
    doc.spans["found"] = SpanGroup(doc, spans=[Span(doc, 1, 2, label="Cell")], attrs={"unplaced": unplaced})
    assert linker_of(nlp)(doc).spans["found"][0].kb_id_ == "X:1"
    assert doc.spans["found"].attrs["unplaced"] == unplaced


def test_a_copy_for_another_process_links(nlp: Language) -> None:
    linker_of(nlp)(nlp.make_doc("Mars"))
    copy = pickle.loads(pickle.dumps(nlp))
    assert ids(copy(TEXT)) == IDS


def test_what_is_excluded_is_not_loaded(nlp: Language, tmp_path: Path) -> None:
    linker_of(nlp).to_disk(tmp_path / "linker", exclude=["cfg"])
    assert [path.name for path in (tmp_path / "linker").iterdir()] == ["kb.sqlite"]
    other = CraftLinker(spacy.blank("en")).from_disk(tmp_path / "linker", exclude=["cfg", "kb"])
    assert other.kb_path == BUNDLED
    assert other.threshold == 0.0


def test_a_saved_pipeline_without_its_file(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "saved")
    kb = tmp_path / "saved" / "craft_linker" / "kb.sqlite"
    kb.write_bytes(kb.read_bytes()[:5000])
    with pytest.raises(ValueError, match="is torn"):
        spacy.load(tmp_path / "saved")
    kb.unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*kb.sqlite'; it was saved"):
        spacy.load(tmp_path / "saved")


def test_bytes_hold_the_knowledge_base(nlp: Language, tmp_path: Path) -> None:
    other = CraftLinker(spacy.blank("en")).from_bytes(linker_of(nlp).to_bytes())
    assert other.kb_path.read_bytes() == linker_of(nlp).kb_path.read_bytes()
    assert other.knowledge_base.labels() == linker_of(nlp).knowledge_base.labels()
    path = other.kb_path
    del other
    gc.collect()
    assert not path.exists()


def example(text: str, *entities: tuple[str, str, str], nlp: Language) -> Example:
    """An example whose reference has the entities, each given by its words, label and id."""
    reference = nlp.make_doc(text)
    spans = []
    for words, label, id_ in entities:
        start = text.index(words)
        span = reference.char_span(start, start + len(words), label=label, kb_id=id_)
        assert span is not None
        spans.append(span)
    reference.ents = spans
    return Example(nlp.make_doc(text), reference)


OBO = """format-version: 1.2

[Term]
id: BODY:4
name: fourth planet
synonym: "red planet" EXACT []
"""


def test_initialize_fills_the_table(nlp: Language, tmp_path: Path) -> None:
    (tmp_path / "planets.obo").write_text(OBO)
    examples = [
        example("Mars is red", ("Mars", "Planet", "BODY:4"), nlp=nlp),
        example("Two axons", ("axons", "Cell", "X:1"), nlp=nlp),
    ]
    ruler: Any = nlp.get_pipe("entity_ruler")
    ruler.add_patterns([{"label": "Planet", "pattern": "red planet"}, {"label": "Cell", "pattern": "axon"}])
    linker = linker_of(nlp)
    linker.initialize(lambda: examples, nlp=nlp, ontologies={"Planet": str(tmp_path / "planets.obo")})
    assert ids(nlp("Mars, the red planet, has no axon, no neurons")) == [
        ("Mars", "BODY:4"),
        ("red planet", "BODY:4"),
        ("axon", "X:1"),
        ("neurons", "X:1"),
    ]
    nlp.to_disk(tmp_path / "saved")
    assert ids(spacy.load(tmp_path / "saved")("Mars")) == [("Mars", "BODY:4")]


def test_initialize_by_the_pipelines_config(nlp: Language, tmp_path: Path) -> None:
    (tmp_path / "planets.obo").write_text(OBO)
    nlp.config["initialize"]["components"]["craft_linker"] = {
        "ontologies": {"Planet": [str(tmp_path / "planets.obo")]},
        "keep": False,
    }
    nlp.initialize(lambda: [example("Mars", ("Mars", "Planet", "BODY:4"), nlp=nlp)])
    assert [row.label for row in linker_of(nlp).knowledge_base.labels()] == ["Planet"]


def test_initialize_without_ids_keeps_the_table(nlp: Language, kb_path: Path) -> None:
    linker = linker_of(nlp)
    linker.initialize(lambda: [example("Two neurons", ("neurons", "Cell", ""), nlp=nlp)], nlp=nlp)
    assert linker.kb_path == kb_path


def test_what_was_filled_has_to_be_saved(nlp: Language, kb_path: Path, tmp_path: Path) -> None:
    linker = linker_of(with_settings(nlp, kb=str(kb_path), save_kb=False))
    linker.initialize(lambda: [example("Mars", ("Mars", "Planet", "BODY:4"), nlp=nlp)], nlp=nlp)
    message = "save_kb = False, and the knowledge base filled by initialize is in no other file"
    with pytest.raises(ValueError, match=message):
        nlp.to_disk(tmp_path / "saved")
    with pytest.raises(ValueError, match=message):
        nlp.to_bytes()


def test_score(nlp: Language) -> None:
    examples = [
        example("Two neurons", ("neurons", "Cell", "X:1"), nlp=nlp),
        example("A brown rat", ("brown rat", "Taxon", "T:1"), nlp=nlp),
        example("Two axons", ("axons", "Cell", "X:1"), nlp=nlp),
    ]
    scores = nlp.evaluate(examples)
    assert scores["nel_micro_p"] == scores["nel_micro_r"] == 0.5
    assert scores["links_p"] == 0.5
    assert scores["links_r"] == pytest.approx(1 / 3)
    assert scores["links_per_type"]["Cell"] == {"p": 1.0, "r": 0.5, "f": pytest.approx(2 / 3)}
    assert scores["links_per_type"]["Taxon"]["f"] == 0.0


def test_score_without_ids(nlp: Language) -> None:
    scores = linker_of(nlp).score([example("Nothing", nlp=nlp)])
    assert scores["links_f"] is None
    assert scores["links_per_type"] == {}


def test_the_bundled_table(no_network: list[object]) -> None:
    nlp = spacy.blank("en")
    linker = nlp.add_pipe("craft_linker")
    doc = nlp.make_doc("Mitochondrial DNA of Danio rerio neurons")
    doc.ents = [
        Span(doc, 0, 1, label="Gene"),
        Span(doc, 3, 5, label="Taxon"),
        Span(doc, 5, 6, label="Cell"),
    ]
    linker(doc)  # type: ignore[operator]
    assert [ent.kb_id_ for ent in doc.ents] == ["GO:0005739", "NCBITaxon:7955", "CL:0000540"]
    assert no_network == []


def test_the_bundled_table_is_whole_and_credited() -> None:
    kb = KnowledgeBase(BUNDLED)
    assert {row.label for row in kb.labels()} == {"Cell", "Chemical", "Gene", "Protein", "Sequence", "Taxon"}
    assert all("CC BY" in source or "public domain" in source for source in kb.meta()["sources"])
    assert (BUNDLED.parent / "CREDITS.md").is_file()
    [(integrity,)] = kb._rows("PRAGMA integrity_check", ())
    assert integrity == "ok"


def test_making_it_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craftner_spacy.linking.source.KnowledgeBase", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spacy.blank("en").add_pipe("craft_linker")
    assert "torch" not in dir(sys.modules["craftner_spacy.linking.craft_linker"])
