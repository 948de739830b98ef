"""The component: looks up the concepts of entities and writes their ids on the Doc."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import srsly
from spacy import util
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example, validate_get_examples
from thinc.api import Config

from .candidates import Candidate
from .document import link_document
from .entities import Place, entity_mentions, place_of
from .filling import fill
from .knowledge_base import KnowledgeBase
from .mentions import doc_mentions
from .settings import LinkerSettings
from .source import NameSource, copy_whole
from .temporary import TemporaryFile

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


class CraftLinker(Pipe):
    """Concepts of entities, by the names of a knowledge base and by what the document says of them.

    The best candidate's id is the entity's `Span.kb_id_`, on `doc.ents` and in the span group. The group's
    attrs get ``concepts``: for each span, in their order, its candidates, the best one first, as
    ``{"id", "name", "score", "match"}``; see `candidates.Candidate`. A span without a candidate has none, and
    keeps the id that it had. A Doc without such a group gets one, of its entities.
    """

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
        self.settings = LinkerSettings(
            kb, spans_key, threshold, max_candidates, overwrite, prefer_taxa, save_kb
        )
        self.source = NameSource()
        self._unknown: Counter[str] = Counter()

    @property
    def cfg(self) -> dict[str, Any]:
        """The settings, as they are saved."""
        return self.settings._asdict()

    @property
    def kb_path(self) -> Path:
        """The knowledge base's file."""
        return self.source.path(self.settings.kb)

    @property
    def kb(self) -> KnowledgeBase:
        """The knowledge base; opened if it is not yet.

        RAISES: FileNotFoundError if there is no such file, ValueError if it is none that can be read.
        """
        return self.source.open(self.settings.kb).kb

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that the knowledge base has a table for; empty while it is not open."""
        finder = self.source.finder
        return () if finder is None else tuple(sorted(finder.labels))

    def __call__(self, doc: Doc) -> Doc:
        """Link the entities of a document; an error goes to the error handler."""
        _, err = _attempt(self._link, doc)
        self._warn_of_unknown_labels()
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
            self._warn_of_unknown_labels()

    def _link(self, doc: Doc) -> None:
        self.set_annotations([doc], self.predict([doc]))

    def predict(self, docs: Iterable[Doc]) -> list[dict[Place, list[Candidate]]]:
        """Find the candidates for each document's entities; the Docs stay as they are.

        RETURNS: for each document the candidates by place, the best one first, at most `max_candidates`.
        """
        settings = self.settings
        finder = self.source.open(settings.kb)
        found = []
        for doc in docs:
            text = doc.text
            mentions = entity_mentions(doc, text, settings.spans_key)
            linked = link_document(text, list(mentions.values()), finder, prefer_taxa=settings.prefer_taxa)
            kept = [
                [candidate for candidate in candidates if candidate.score >= settings.threshold]
                for candidates in linked
            ]
            found.append(
                {
                    place: candidates[: settings.max_candidates]
                    for place, candidates in zip(mentions, kept, strict=True)
                }
            )
            self._unknown.update(place[2] for place in mentions if place[2] not in finder.labels)
        return found

    def set_annotations(self, docs: Iterable[Doc], found: Sequence[Mapping[Place, list[Candidate]]]) -> None:
        """Write the candidates that `predict` found on the documents."""
        for doc, by_place in zip(docs, found, strict=True):
            for ent in doc.ents:
                best = by_place[place_of(ent)][:1]
                for token in ent if best else ():
                    if self.settings.overwrite or not token.ent_kb_id:
                        token.ent_kb_id_ = best[0].id
            if self.settings.spans_key is not None:
                self._annotate_group(doc, self.settings.spans_key, by_place)

    def _annotate_group(self, doc: Doc, key: str, by_place: Mapping[Place, list[Candidate]]) -> None:
        if key not in doc.spans:
            doc.spans[key] = SpanGroup(doc, name=key, spans=list(doc.ents))
        group = doc.spans[key]
        concepts = []
        for number, span in enumerate(group):
            candidates = by_place[place_of(span)]
            if candidates and (self.settings.overwrite or not span.kb_id):
                span.kb_id_ = candidates[0].id
                # What a group gives is a copy.
                group[number] = span
            concepts.append([_as_attrs(candidate) for candidate in candidates])
        group.attrs["concepts"] = concepts

    def _warn_of_unknown_labels(self) -> None:
        unknown, self._unknown = self._unknown, Counter()
        if unknown:
            warnings.warn(
                f"{self.name}: {unknown.total()} entities have labels that the knowledge base has no table "
                f"for ({', '.join(sorted(unknown))}) and got no id; it has one for {', '.join(self.labels)}",
                stacklevel=3,
            )

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
        validate_get_examples(get_examples, "CraftLinker.initialize")
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
        util.to_disk(path, {"cfg": self._write_cfg, _KB_FILE: self._copy_kb}, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "CraftLinker":
        """Load what `to_disk` saved; the knowledge base stays where it is, and is opened later.

        RAISES: FileNotFoundError if a knowledge base was saved and is not there; ValueError for a setting
            that is not allowed, or a file that is none.
        """
        util.from_disk(path, {"cfg": self._read_cfg, _KB_FILE: self._take_kb}, exclude)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the settings and, with `save_kb`, the knowledge base.

        RAISES: ValueError if the knowledge base has no file to refer to.
        """
        self._check_kb_is_named()
        parts: dict[str, Callable[[], Any]] = {"cfg": lambda: srsly.json_dumps(self.cfg)}
        if self.settings.save_kb:
            parts["kb"] = self.kb_path.read_bytes
        return util.to_bytes(parts, exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "CraftLinker":
        """Load what `to_bytes` gave; a knowledge base in it goes to a temporary file."""

        def read_cfg(data: bytes) -> None:
            self.settings = LinkerSettings.from_json(srsly.json_loads(data))

        self.source.take(None)
        util.from_bytes(bytes_data, {"cfg": read_cfg, "kb": self.source.take_bytes}, exclude)
        return self

    def _write_cfg(self, path: Path) -> None:
        srsly.write_json(path, self.cfg)

    def _read_cfg(self, path: Path) -> None:
        self.settings = LinkerSettings.from_json(srsly.read_json(path))

    def _copy_kb(self, path: Path) -> None:
        self._check_kb_is_named()
        if self.settings.save_kb:
            copy_whole(self.kb_path, path)
        else:
            path.unlink(missing_ok=True)

    def _take_kb(self, path: Path) -> None:
        if self.settings.save_kb and not path.is_file():
            raise FileNotFoundError(f"{self.name}: there is no file {str(path)!r}; it was saved with save_kb")
        self.source.take(path if self.settings.save_kb else None)

    def _check_kb_is_named(self) -> None:
        if self.source.is_temporary and not self.settings.save_kb:
            raise ValueError(
                f"{self.name}: save_kb = False, and the knowledge base filled by initialize is in no other "
                "file; has to be True"
            )


def _as_attrs(candidate: Candidate) -> dict[str, Any]:
    return {
        "id": candidate.id,
        "name": candidate.name,
        "score": candidate.score,
        "match": candidate.match,
    }


def _attempt(step: Callable[[Doc], Result], doc: Doc) -> tuple[Result | None, Exception | None]:
    """What a step gives, or what went wrong: spaCy's contract is that the handler gets any error at all."""
    try:
        return step(doc), None
    except Exception as err:
        return None, err
