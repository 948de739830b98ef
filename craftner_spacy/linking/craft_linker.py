"""The component: looks up the concepts of entities and writes their ids on the Doc."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from spacy import util
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config

from ..settings import (
    Setting,
    WithSettings,
    check_bool,
    check_from_one,
    check_ids,
    check_kb,
    check_spans_key,
    check_threshold,
)
from .document import link_document
from .entities import DocLinks, placed_mentions, unplaced_mentions, write_concepts
from .filling import fill
from .knowledge_base import KnowledgeBase
from .mentions import doc_mentions
from .source import NameSource
from .temporary import TemporaryFile
from .unknown_labels import UnknownLabels

Result = TypeVar("Result")

DEFAULT_CONFIG = """
[craft_linker]
kb = "bundled"
spans_key = "craft_ner"
threshold = 0.0
max_candidates = 5
overwrite = true
prefer_taxa = []
save_kb = true

[craft_linker.scorer]
@scorers = "craftner_spacy.craft_linker_scorer.v1"
"""
_KB_FILE = "kb.sqlite"


@Language.factory(
    "craft_linker",
    requires=["doc.ents", "token.ent_iob", "token.ent_type"],
    assigns=["doc.ents", "doc.spans", "token.ent_kb_id"],
    default_config=Config().from_str(DEFAULT_CONFIG)["craft_linker"],
    default_score_weights={
        "nel_micro_f": 1.0,
        "nel_micro_p": None,
        "nel_micro_r": None,
        "links_f": None,
        "links_p": None,
        "links_r": None,
        "links_per_type": None,
    },
)
def make_craft_linker(
    nlp: Language,
    name: str,
    kb: str,
    spans_key: str | None,
    threshold: float,
    max_candidates: int,
    overwrite: bool,
    prefer_taxa: list[str],
    save_kb: bool,
    scorer: Callable | None,
) -> "CraftLinker":
    """Make the component `craft_linker`; its settings are those of `CraftLinker`."""
    return CraftLinker(
        nlp,
        name,
        kb=kb,
        spans_key=spans_key,
        threshold=threshold,
        max_candidates=max_candidates,
        overwrite=overwrite,
        prefer_taxa=prefer_taxa,
        save_kb=save_kb,
        scorer=scorer,
    )


class CraftLinker(WithSettings, Pipe):
    """Concepts of entities, by the names of a knowledge base and by what the document says of them.

    The best candidate's id is the entity's `Span.kb_id_`, on `doc.ents` and in the span group. The group's
    attrs get ``concepts``: for each span, in their order, its candidates, the best one first, as
    ``{"id", "name", "score", "match"}``; see `candidates.Candidate`. A span without a candidate has none, and
    keeps the id that it had. An entity that has no place on the tokens has its ``concepts`` in the group's
    ``unplaced``. A Doc without such a group gets one, of its entities.

    The settings are attributes that may be set at any time; they are checked, and saved with the component.
    """

    kb = Setting(check_kb, lambda self, _: self.source.take(None))
    spans_key = Setting(check_spans_key)
    threshold = Setting(check_threshold)
    max_candidates = Setting(check_from_one)
    overwrite = Setting(check_bool)
    prefer_taxa = Setting(check_ids)
    save_kb = Setting(check_bool)

    def __init__(
        self,
        nlp: Language,
        name: str = "craft_linker",
        *,
        kb: str = "bundled",
        spans_key: str | None = "craft_ner",
        threshold: float = 0.0,
        max_candidates: int = 5,
        overwrite: bool = True,
        prefer_taxa: Sequence[str] = (),
        save_kb: bool = True,
        scorer: Callable | None = None,
    ) -> None:
        """Take the settings; the knowledge base is opened when the first document comes.

        name (str): the component's name in the pipeline.
        kb (str): bundled, or the path of a file made by `craftner_spacy kb build`.
        spans_key (str): key of the span group in `doc.spans` whose entities are linked too; None: none.
        threshold (float): candidates scored lower are left out; in [0, 1].
        max_candidates (int): candidates kept for an entity, at most.
        overwrite (bool): whether an id that an entity has already is replaced.
        prefer_taxa (Sequence[str]): ids of species, the preferred one first: which of two concepts it is
            that differ in their species alone, where the document names neither.
        save_kb (bool): whether the knowledge base is saved with the pipeline; if not, `kb` has to name it
            where the pipeline is loaded.
        scorer (Callable): the scoring method.
        RAISES: ValueError for a setting that is not allowed.
        """
        self.vocab = nlp.vocab
        self.name = name
        self.scorer = scorer
        self.source = NameSource()
        self.set_config(
            {
                "kb": kb,
                "spans_key": spans_key,
                "threshold": threshold,
                "max_candidates": max_candidates,
                "overwrite": overwrite,
                "prefer_taxa": list(prefer_taxa),
                "save_kb": save_kb,
            }
        )
        self._unknown = UnknownLabels()

    @property
    def kb_path(self) -> Path:
        """The knowledge base's file."""
        return self.source.path(self.kb)

    @property
    def knowledge_base(self) -> KnowledgeBase:
        """The knowledge base; opened if it is not yet.

        RAISES: FileNotFoundError if there is no such file, ValueError if it is none that can be read.
        """
        return self.source.open(self.kb).kb

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that the knowledge base has a table for; empty while it is not open."""
        finder = self.source.finder
        return () if finder is None else tuple(sorted(finder.labels))

    def __call__(self, doc: Doc) -> Doc:
        """Link the entities of a document; an error goes to the error handler."""
        _, err = _attempt(self._link, doc)
        self._unknown.warn(self.name, self.labels)
        if err is not None:
            self.get_error_handler()(self.name, self, [doc], err)
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Link the entities of a stream of documents, one by one.

        A document that fails goes to the error handler (`nlp.set_error_handler`) alone, and is left out of
        the stream if the handler does not raise.
        """
        try:
            for doc in stream:
                _, err = _attempt(self._link, doc)
                if err is None:
                    yield doc
                else:
                    self.get_error_handler()(self.name, self, [doc], err)
        finally:
            self._unknown.warn(self.name, self.labels)

    def _link(self, doc: Doc) -> None:
        self.set_annotations([doc], self.predict([doc]))

    def predict(self, docs: Iterable[Doc]) -> list[DocLinks]:
        """Find the candidates for each document's entities; the Docs stay as they are.

        RETURNS: for each document the candidates of its entities, the best one first, at most
            `max_candidates`.
        """
        finder = self.source.open(self.kb)
        links = []
        for doc in docs:
            text = doc.text
            where = (doc, text, self.spans_key, finder.labels)
            placed = placed_mentions(*where)
            mentions = [*placed.values(), *unplaced_mentions(*where)]
            linked = link_document(text, mentions, finder, prefer_taxa=self.prefer_taxa)
            kept = [
                [candidate for candidate in candidates if candidate.score >= self.threshold]
                for candidates in linked
            ]
            best = [candidates[: self.max_candidates] for candidates in kept]
            places = dict(zip(placed, best, strict=False))
            links.append(DocLinks(places, best[len(placed) :]))
            self._unknown.count(m.label for m in mentions if m.label not in finder.labels)
        return links

    def set_annotations(self, docs: Iterable[Doc], links: Sequence[DocLinks]) -> None:
        """Write the candidates that `predict` found on the documents."""
        for doc, of_doc in zip(docs, links, strict=True):
            write_concepts(doc, of_doc, self.spans_key, self.overwrite)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        ontologies: Mapping[str, str | list[str]] | None = None,
        keep: bool = True,
    ) -> None:
        """Fill the knowledge base with the ids of examples and the names of ontologies.

        get_examples (Callable): gives the examples; each entity of a reference Doc with a `kb_id_` is a
            mention of that concept.
        ontologies (Mapping): by label the file, or files, of its ontology; see `ontologies.read_ontology`.
        keep (bool): whether what the knowledge base holds now stays in it. Without an id and an ontology it
            stays in any case.
        RAISES: what `filling.fill` raises.
        """
        has_ids = any(True for _ in doc_mentions(eg.reference for eg in get_examples()))
        if not has_ids and not ontologies:
            return
        file = TemporaryFile(".sqlite")
        own = KnowledgeBase(self.kb_path) if keep else None
        docs = (eg.reference for eg in get_examples())
        fill(file.path, own, ontologies or {}, docs)
        self.source.take(file.path, file)

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the settings and, with `save_kb`, the knowledge base.

        RAISES: ValueError if `save_kb` is off and the knowledge base is in no file that `kb` could name.
        """

        def save_kb(path: Path) -> None:
            self.source.save(path, self.kb, self.save_kb)

        util.to_disk(path, {"cfg": self.cfg_to_disk, _KB_FILE: save_kb}, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "CraftLinker":
        """Load what `to_disk` saved; the knowledge base stays where it is, and is opened later.

        RAISES: FileNotFoundError if a knowledge base was saved and is not there; ValueError for a setting
            that is not allowed, or a file that is none.
        """

        def load_kb(path: Path) -> None:
            self.source.load(path, self.save_kb)

        util.from_disk(path, {"cfg": self.cfg_from_disk, _KB_FILE: load_kb}, exclude)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the settings and, with `save_kb`, the knowledge base.

        RAISES: ValueError if the knowledge base has no file to refer to.
        """
        self.source.check_is_saved(self.save_kb)
        parts: dict[str, Callable[[], Any]] = {"cfg": self.cfg_to_bytes}
        if self.save_kb:
            parts["kb"] = self.kb_path.read_bytes
        return util.to_bytes(parts, exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "CraftLinker":
        """Load what `to_bytes` gave; a knowledge base in it goes to a temporary file."""
        self.source.take(None)
        util.from_bytes(bytes_data, {"cfg": self.cfg_from_bytes, "kb": self.source.take_bytes}, exclude)
        return self


def _attempt(step: Callable[[Doc], Result], doc: Doc) -> tuple[Result | None, Exception | None]:
    """What a step gives, or what went wrong: spaCy's contract is that the handler gets any error at all."""
    try:
        return step(doc), None
    except Exception as err:
        return None, err
