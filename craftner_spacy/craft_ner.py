"""The component: predicts entities of text, writes them on the Doc, and learns from Examples."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from spacy import util
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from thinc.api import Model, Optimizer

from .alignment import chars_of_tokens, place_entities
from .decoding import find_entities
from .drops import DropCounts
from .folders import saved_labels
from .label_names import LabelNames, labels_for
from .locking import LOADING
from .loss import cross_entropy
from .model import WordScores, forward, get_shim, load
from .settings import (
    Setting,
    WithSettings,
    check_alignment_mode,
    check_bool,
    check_from_one,
    check_label_map,
    check_spans_key,
    check_threshold,
)
from .sources import find_local_folder
from .span_group import SPANS_KEY, set_score_extension, write_span_group
from .splitting import split_tokens
from .tags import TagScheme, gold_tags
from .types import Entity, Floats, Ints

MAX_DOCS = 128
"""The most documents whose windows are batched together."""


class CraftNER(WithSettings, TrainablePipe):
    """Named entities by a token classifier, on `doc.ents` and, with scores, in a span group.

    The settings are attributes that may be set at any time; they are checked, and saved with the component.
    What the span group holds is described in `span_group`.
    """

    alignment_mode = Setting(check_alignment_mode)
    overwrite_ents = Setting(check_bool)
    spans_key = Setting(check_spans_key)
    threshold = Setting(check_threshold)
    label_map = Setting(check_label_map, lambda self, label_map: self._check_labels(label_map))
    batch_tokens = Setting(check_from_one, lambda self, n: self.model.attrs.update(batch_tokens=n))

    def __init__(
        self,
        nlp: Language,
        model: Model[list[Doc], list[WordScores]],
        name: str = "craft_ner",
        *,
        alignment_mode: str = "strict",
        overwrite_ents: bool = True,
        spans_key: str | None = SPANS_KEY,
        threshold: float = 0.0,
        label_map: dict[str, str] | None = None,
        batch_tokens: int = 2048,
        scorer: Callable | None = None,
    ) -> None:
        """Take the settings; no weights are loaded.

        model (Model): a `TokenClassifier`.
        name (str): the component's name in the pipeline.
        alignment_mode (str): strict, contract, expand, or split, which changes tokens; see `alignment`.
        overwrite_ents (bool): whether the entities predicted here win over those that `doc.ents` already
            holds; entities that do not overlap stay in any case.
        spans_key (str): key of `doc.spans` for all entities with their scores; None: no span group.
        threshold (float): entities with a lower score are left out; in [0, 1].
        label_map (dict[str, str]): other names for labels, e.g. {"Gene": "CellularComponent"}.
        batch_tokens (int): the most wordpieces in one forward pass, padding included.
        scorer (Callable): the scoring method.
        RAISES: ValueError for a setting that is not allowed.
        """
        set_score_extension()
        self.vocab = nlp.vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.set_config(
            {
                "alignment_mode": alignment_mode,
                "overwrite_ents": overwrite_ents,
                "spans_key": spans_key,
                "threshold": threshold,
                "label_map": label_map,
                "batch_tokens": batch_tokens,
            }
        )
        self._dropped = DropCounts()
        # Labels of examples that the user was warned of.
        self._unknown_labels: set[str] = set()

    @property
    def scheme(self) -> TagScheme:
        """The model's tags; loads the model if it is not loaded yet."""
        self._ensure_loaded()
        scheme = get_shim(self.model).scheme
        assert scheme is not None  # loading sets it
        return scheme

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that entities may have, by the names of `label_map`.

        Those of a model that is on this machine are known before its weights are loaded; a model of the hub
        that has to be fetched first has none until then.
        """
        return tuple(dict.fromkeys(self.label_map.get(label, label) for label in self.label_data))

    @property
    def label_data(self) -> tuple[str, ...]:
        """The model's own labels, before `label_map`, as `initialize` takes them."""
        scheme = get_shim(self.model).scheme
        if scheme is not None:
            return scheme.labels
        folder = find_local_folder(self.model.attrs["name"], self.model.attrs["revision"])
        return () if folder is None else saved_labels(folder)

    def __call__(self, doc: Doc) -> Doc:
        doc = super().__call__(doc)
        self._warn_of_drops()
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = MAX_DOCS) -> Iterator[Doc]:
        """Apply the component to a stream of documents.

        batch_size (int): documents that are read at once; more than `MAX_DOCS` would take more memory and
            save no time, so it is at most that.

        A document that fails goes to the error handler (`nlp.set_error_handler`) alone, and is left out of
        the stream if the handler does not raise; the others of its batch are annotated. If the model cannot
        be loaded, the handler gets the batch.
        """
        try:
            for docs in util.minibatch(stream, size=min(batch_size, MAX_DOCS)):
                yield from self._annotate(docs)
        finally:
            self._warn_of_drops()

    def _annotate(self, docs: list[Doc]) -> Iterator[Doc]:
        # spaCy's contract: whatever goes wrong with a document is the error handler's.
        handle_error = self.get_error_handler()
        try:
            self._ensure_loaded()
        except Exception as err:
            handle_error(self.name, self, docs, err)
            return
        for doc, entities in self._predict_each(docs):
            try:
                self.set_annotations([doc], [entities])
            except Exception as err:
                handle_error(self.name, self, [doc], err)
            else:
                yield doc

    def _predict_each(self, docs: list[Doc]) -> Iterator[tuple[Doc, list[Entity]]]:
        """Each document with its entities. A batch that fails is halved, down to what fails alone."""
        entities = None
        try:
            entities = self.predict(docs)
        except Exception as err:
            if len(docs) == 1:
                self.get_error_handler()(self.name, self, docs, err)
                return
        # Not in the handler above: the error holds on to the batch's memory, which the halves may need.
        if entities is not None:
            yield from zip(docs, entities, strict=True)
        else:
            half = len(docs) // 2
            yield from self._predict_each(docs[:half])
            yield from self._predict_each(docs[half:])

    def predict(self, docs: Iterable[Doc]) -> list[list[Entity]]:
        """Find the entities of each document's text, whatever its tokens; the Docs stay as they are.

        Spans that share no word (sentences, for one) are decoded one by one: no entity reaches over their
        border.
        """
        scheme = self.scheme
        scores = self.model.predict(list(docs))
        self._dropped.uncovered += sum(words.n_uncovered for words in scores)
        return [find_entities(words.chars, words.starts, words.logits, scheme) for words in scores]

    def set_annotations(self, docs: Iterable[Doc], entities: Sequence[Sequence[Entity]]) -> None:
        """Write the entities that `predict` found on the documents."""
        for doc, predicted in zip(docs, entities, strict=True):
            kept = [e for e in predicted if (e.score or 0.0) >= self.threshold]
            if self.alignment_mode == "split":
                split_tokens(doc, [edge for e in kept for edge in (e.start, e.end)])
            placed, unplaced = place_entities(kept, chars_of_tokens(doc), self.alignment_mode)
            self._dropped.unplaced += len(unplaced)
            names = self.label_map
            spans = [
                Span(doc, p.start, p.end, label=names.get(p.entity.label, p.entity.label)) for p in placed
            ]
            self._set_ents(doc, spans)
            if self.spans_key is not None:
                write_span_group(doc, self.spans_key, spans, [p.entity for p in placed], unplaced, names)

    def _set_ents(self, doc: Doc, spans: list[Span]) -> None:
        earlier = list(doc.ents)
        winners, others = (spans, earlier) if self.overwrite_ents else (earlier, spans)
        taken = {i for span in winners for i in range(span.start, span.end)}
        kept = [span for span in others if taken.isdisjoint(range(span.start, span.end))]
        if self.overwrite_ents:
            # spaCy leaves a token the id of the entity that it was in before.
            for token in (token for span in earlier if span not in kept for token in span):
                token.ent_id = 0
        doc.ents = [*winners, *kept]

    def _warn_of_drops(self) -> None:
        self._dropped.warn(self.name, self.alignment_mode, self.spans_key)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | Literal[False] | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of examples.

        drop (float): not used: the network has its own dropout, set in its config.json.
        sgd (Optimizer): if given, weights are updated at once.
        losses (dict): the loss is added under the component's name.
        RETURNS: losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "CraftNER.update")
        if not any(len(eg.predicted) for eg in examples):
            return losses
        self._ensure_loaded()
        words, backprop = forward(self.model, [eg.predicted for eg in examples], is_train=True)
        loss, gradients = self.get_loss(examples, words)
        backprop(gradients)
        if sgd:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(self, examples: Iterable[Example], scores: list[WordScores]) -> tuple[float, list[Floats]]:
        """Cross-entropy, mean over the words whose tag is known, and its gradient.

        RETURNS: the loss, and for each document the gradient of its logits (n_words, n_tags).
        The tag of a word is not known, too, in an entity whose label is none of the model's.

        RAISES: ValueError if predicted and reference text of an example differ.
        """
        gold = [self._gold(eg, words.chars) for eg, words in zip(examples, scores, strict=True)]
        return cross_entropy([words.logits for words in scores], gold)

    def _gold(self, example: Example, word_chars: Ints) -> Ints:
        if example.predicted.text != example.reference.text:
            start = example.reference.text[:60]
            raise ValueError(f"{self.name}: predicted and reference text of an example differ: {start!r}")
        names = self._label_names()
        unknown = {ent.label_ for ent in example.reference.ents if names.gold_label(ent.label_) is None}
        if unknown - self._unknown_labels:
            self._unknown_labels |= unknown
            warnings.warn(
                f"{self.name}: no label of the model ({', '.join(names.names)}) is that of the examples' "
                f"{', '.join(sorted(unknown))}: words of such entities are left out of the loss",
                stacklevel=4,
            )
        return gold_tags(example.reference, word_chars, self.scheme, names.gold_label)

    def _label_names(self) -> LabelNames:
        return LabelNames(self.scheme.labels, self.label_map)

    def _check_labels(self, label_map: Mapping[str, str]) -> None:
        """Refuse a map with a key that is no label of the model, once these are known."""
        scheme = get_shim(self.model).scheme
        if scheme is not None:
            LabelNames(scheme.labels, label_map)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Load the weights that the model's name stands for, ready to be trained.

        A model that knows all labels of the examples keeps its classifier; one that does not, or an
        encoder without a classifier, gets a new one.

        get_examples (Callable): gives the examples whose entities name the labels.
        labels: the labels of the model, before `label_map`, if they are not to be gathered from the examples.
        RAISES: ValueError if a key of `label_map` is none of the labels; what `sources.find_folder` and
            `folders.load_folder` raise.
        """
        if labels is None:
            gold = {ent.label_ for eg in get_examples() for ent in eg.reference.ents}
            labels = labels_for(gold, self.label_map)
        load(self.model, labels or None)
        self._check_labels(self.label_map)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Scores of the scorer, and ``ents_loss``: the mean cross-entropy over the examples' words.

        Labels in gold are names as `label_map` gives them. A label of the model that has another name is
        scored by that name; an entity with a label that the model lacks counts as missed, and its words are
        left out of the loss.

        RAISES: ValueError if predicted and reference text of an example differ.
        """
        examples = list(examples)
        scores = {}
        if self.scorer is not None:
            named = self._label_names().scored(examples) if self.label_map else examples
            scores = dict(self.scorer(named, **kwargs))
        loss, n_words = 0.0, 0
        stream = iter(examples)
        while batch := list(islice(stream, 64)):
            self._ensure_loaded()
            words = self.model.predict([eg.predicted for eg in batch])
            n = sum(int((self._gold(eg, w.chars) >= 0).sum()) for eg, w in zip(batch, words, strict=True))
            loss += self.get_loss(batch, words)[0] * n
            n_words += n
        scores["ents_loss"] = loss / n_words if n_words else None
        return scores

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save as a folder with the model in Hugging Face's layout; the model is loaded if it is not yet."""
        self._ensure_loaded()
        util.to_disk(path, {"cfg": self.cfg_to_disk, "model": get_shim(self.model).save}, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "CraftNER":
        """Load what `to_disk` saved, and nothing from anywhere else.

        RAISES: FileNotFoundError if the folder of the model is missing; what `folders.load_folder` raises.
        """
        if "model" not in exclude and not (Path(path) / "model").is_dir():
            raise FileNotFoundError(f"{self.name}: there is no folder 'model' in {str(path)!r}")
        util.from_disk(path, {"cfg": self.cfg_from_disk, "model": get_shim(self.model).load}, exclude)
        self._check_labels(self.label_map)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize settings and model; the model is loaded if it is not yet."""
        self._ensure_loaded()
        getters = {"cfg": self.cfg_to_bytes, "model": get_shim(self.model).to_bytes}
        return util.to_bytes(getters, exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "CraftNER":
        """Load what `to_bytes` gave.

        RAISES: what `folders.load_folder` raises.
        """
        setters = {"cfg": self.cfg_from_bytes, "model": get_shim(self.model).from_bytes}
        util.from_bytes(bytes_data, setters, exclude)
        self._check_labels(self.label_map)
        return self

    def _ensure_loaded(self) -> None:
        shim = get_shim(self.model)
        if not shim.is_loaded:
            with LOADING:
                if not shim.is_loaded:
                    load(self.model)
        # Each time: a call that failed leaves the model loaded.
        self._check_labels(self.label_map)
