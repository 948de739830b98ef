"""The component: predicts entities of text, writes them on the Doc, and learns from Examples."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import spacy_transformers.span_getters  # noqa: F401 (makes the registry of span getters)
from numpy.typing import NDArray
from spacy import util
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example, validate_examples
from thinc.api import Config, Model, Optimizer

from .alignment import (
    ALIGNMENT_MODES,
    Entity,
    PlacedEntity,
    chars_of_tokens,
    exact_words,
    place_entities,
)
from .decoding import TagScheme, WordEntity, best_tags, log_softmax, read_entities, write_tags
from .model import WordScores, forward, load, shim_of
from .sources import is_fit_label
from .splitting import split_tokens

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Result = TypeVar("Result")
MOST_DOCS = 128
"""Documents whose windows are batched together."""

DEFAULT_CONFIG = """
[craft_ner]
alignment_mode = "strict"
overwrite_ents = true
spans_key = "craft_ner"
threshold = 0.0
label_map = {}
batch_tokens = 2048

[craft_ner.scorer]
@scorers = "craftner_spacy.craft_scorer.v1"

[craft_ner.model]
@architectures = "craftner_spacy.TokenClassifier.v1"
name = "small"
revision = "main"
pooling = "first"
precision = "auto"

[craft_ner.model.get_spans]
@span_getters = "spacy-transformers.strided_spans.v1"
window = 128
stride = 120
"""


@Language.factory(
    "craft_ner",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config=Config().from_str(DEFAULT_CONFIG)["craft_ner"],
    default_score_weights={
        "ents_loss": 0.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_f": 1.0,
        "ents_acc": 0.0,
        "ents_per_type": None,
    },
)
def make_craft_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[WordScores]],
    alignment_mode: str,
    overwrite_ents: bool,
    spans_key: str | None,
    threshold: float,
    label_map: dict[str, str],
    batch_tokens: int,
    scorer: Callable | None,
) -> "CraftNER":
    """Make the component `craft_ner`; its settings are those of `CraftNER`."""
    return CraftNER(
        nlp,
        model,
        name,
        alignment_mode=alignment_mode,
        overwrite_ents=overwrite_ents,
        spans_key=spans_key,
        threshold=threshold,
        label_map=label_map,
        batch_tokens=batch_tokens,
        scorer=scorer,
    )


class CraftNER(TrainablePipe):
    """Named entities by a token classifier, on `doc.ents` and, with scores, in a span group.

    The span group's attrs hold, in the order of its spans, ``scores`` (each in [0, 1]; see
    `decoding.read_entities`) and ``offsets`` (start and end of what the model found, in characters);
    ``unplaced`` lists the entities that the alignment mode found no place for, as
    ``{"start", "end", "label", "score"}``.
    """

    def __init__(
        self,
        nlp: Language,
        model: Model[list[Doc], list[WordScores]],
        name: str = "craft_ner",
        *,
        alignment_mode: str = "strict",
        overwrite_ents: bool = True,
        spans_key: str | None = "craft_ner",
        threshold: float = 0.0,
        label_map: dict[str, str] | None = None,
        batch_tokens: int = 2048,
        scorer: Callable | None = None,
    ) -> None:
        """Take the settings; no weights are loaded.

        model (Model): a `TokenClassifier`.
        name (str): the component's name in the pipeline.
        alignment_mode (str): strict, contract, expand, or split, which changes tokens; see `alignment`.
        overwrite_ents (bool): whether entities found here win over those that `doc.ents` already holds;
            what does not conflict stays in any case.
        spans_key (str): key of `doc.spans` for all entities with their scores; None: no span group.
        threshold (float): entities scored lower are left out; in [0, 1].
        label_map (dict[str, str]): names for the model's labels, e.g. {"Gene": "CellularComponent"}.
        batch_tokens (int): wordpieces in one forward pass, padding included.
        scorer (Callable): the scoring method.
        RAISES: ValueError for a setting that is not allowed.
        """
        if alignment_mode not in ALIGNMENT_MODES:
            raise ValueError(f"alignment_mode = {alignment_mode!r}: allowed are {', '.join(ALIGNMENT_MODES)}")
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold = {threshold!r}: allowed are numbers from 0 to 1")
        if batch_tokens < 1:
            raise ValueError(f"batch_tokens = {batch_tokens!r}: allowed are whole numbers from 1")
        if spans_key == "":
            raise ValueError("spans_key = '': allowed are a name, or null for no span group")
        for label in (label_map or {}).values():
            if not is_fit_label(label):
                raise ValueError(f"label_map has {label!r}: allowed are letters, digits, space and _ - . / +")
        self.vocab = nlp.vocab
        self.model = model
        self.name = name
        self.alignment_mode = alignment_mode
        self.overwrite_ents = overwrite_ents
        self.spans_key = spans_key
        self.threshold = threshold
        self.label_map = dict(label_map or {})
        self.scorer = scorer
        self.model.attrs["batch_tokens"] = batch_tokens
        self._unplaced = 0
        self._unread = 0

    @property
    def scheme(self) -> TagScheme:
        """The model's tags; loads the model if it is not loaded yet."""
        self._ensure_loaded()
        scheme = shim_of(self.model).scheme
        assert scheme is not None
        return scheme

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the loaded model, before `label_map`; empty while nothing is loaded."""
        scheme = shim_of(self.model).scheme
        return scheme.labels if scheme else ()

    @property
    def label_data(self) -> tuple[str, ...]:
        """The labels, as `initialize` takes them."""
        return self.labels

    def __call__(self, doc: Doc) -> Doc:
        doc = super().__call__(doc)
        self._warn_of_losses()
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = MOST_DOCS) -> Iterator[Doc]:
        """Apply the component to a stream of documents, in batches of `batch_size` documents, 128 at most:
        more at once would take more memory and no less time.

        A document that fails goes to the error handler (`nlp.set_error_handler`) alone, and is left out of
        the stream if the handler does not raise; the others of its batch are annotated. If the model cannot
        be loaded, the handler gets the batch.
        """
        try:
            for docs in util.minibatch(stream, size=min(batch_size, MOST_DOCS)):
                yield from self._annotate(docs)
        finally:
            self._warn_of_losses()

    def _annotate(self, docs: list[Doc]) -> Iterator[Doc]:
        _, err = _attempt(self._ensure_loaded)
        if err is not None:
            self.get_error_handler()(self.name, self, docs, err)
            return
        for doc, found in self._predict_each(docs):
            _, err = _attempt(self.set_annotations, [doc], [found])
            if err is None:
                yield doc
            else:
                self.get_error_handler()(self.name, self, [doc], err)

    def _predict_each(self, docs: list[Doc]) -> Iterator[tuple[Doc, list[Entity]]]:
        """Each document with its entities. A batch that fails is halved, down to what fails alone."""
        found, err = _attempt(self.predict, docs)
        if found is not None:
            yield from zip(docs, found, strict=True)
        elif len(docs) == 1:
            self.get_error_handler()(self.name, self, docs, err)
        else:
            # The error's frames hold on to the batch's memory, which the halves may need.
            err = None
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
        found = []
        for words in scores:
            borders = words.starts[1:]
            runs = zip(
                np.split(words.chars, borders), np.split(log_softmax(words.logits), borders), strict=True
            )
            found.append(
                [
                    Entity(int(chars[e.start, 0]), int(chars[e.end - 1, 1]), e.label, e.score)
                    for chars, log_probs in runs
                    for e in read_entities(best_tags(log_probs, scheme), log_probs, scheme)
                ]
            )
        self._unread += sum(words.n_unread for words in scores)
        return found

    def set_annotations(self, docs: Iterable[Doc], entities: Sequence[Sequence[Entity]]) -> None:
        """Write the entities that `predict` found on the documents."""
        for doc, found in zip(docs, entities, strict=True):
            kept = [
                e._replace(label=self.label_map.get(e.label, e.label))
                for e in found
                if e.score >= self.threshold
            ]
            if self.alignment_mode == "split":
                split_tokens(doc, [edge for e in kept for edge in (e.start, e.end)])
            placed, unplaced = place_entities(kept, chars_of_tokens(doc), self.alignment_mode)
            self._unplaced += len(unplaced)
            spans = [Span(doc, p.start, p.end, label=p.entity.label) for p in placed]
            self._set_ents(doc, spans)
            if self.spans_key is not None:
                doc.spans[self.spans_key] = _span_group(doc, self.spans_key, spans, placed, unplaced)

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

    def _warn_of_losses(self) -> None:
        unplaced, unread = self._unplaced, self._unread
        self._unplaced = self._unread = 0
        if unplaced:
            where = (
                f"doc.spans[{self.spans_key!r}].attrs['unplaced'] has them"
                if self.spans_key
                else "set spans_key"
            )
            warnings.warn(
                f"{self.name}: {unplaced} entities do not fit the tokens in alignment_mode "
                f"{self.alignment_mode!r} and are not in doc.ents; {where}",
                stacklevel=3,
            )
        if unread:
            warnings.warn(
                f"{self.name}: {unread} words stand in no span of [model.get_spans] and were not read",
                stacklevel=3,
            )

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
        RAISES: ValueError if an entity's label is none of the model's.
        """
        gold = [self._gold(eg, words.chars) for eg, words in zip(examples, scores, strict=True)]
        n_words = max(1, sum(int((tags >= 0).sum()) for tags in gold))
        loss = 0.0
        gradients = []
        for tags, words in zip(gold, scores, strict=True):
            known = np.flatnonzero(tags >= 0)
            log_probs = log_softmax(words.logits)
            loss -= float(log_probs[known, tags[known]].sum()) / n_words
            gradient = np.zeros_like(words.logits)
            gradient[known] = np.exp(log_probs[known])
            gradient[known, tags[known]] -= 1.0
            gradients.append(gradient / np.float32(n_words))
        return loss, gradients

    def _gold(self, example: Example, word_chars: Ints) -> Ints:
        if example.predicted.text != example.reference.text:
            start = example.reference.text[:60]
            raise ValueError(f"{self.name}: predicted and reference text of an example differ: {start!r}")
        return gold_tags(example.reference, word_chars, self.scheme)

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
        labels: the labels, if they are not to be gathered from the examples.
        RAISES: what `sources.find_folder` and `sources.load_folder` raise.
        """
        if labels is None:
            labels = sorted({ent.label_ for eg in get_examples() for ent in eg.reference.ents})
        load(self.model, labels or None)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Scores of the scorer, and ``ents_loss``: the mean cross-entropy over the examples' words."""
        examples = list(examples)
        scores = {} if self.scorer is None else dict(self.scorer(examples, **kwargs))
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
        shim = shim_of(self.model)
        util.to_disk(path, {"model": shim.save}, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "CraftNER":
        """Load what `to_disk` saved, and nothing from anywhere else."""
        if "model" not in exclude and not (Path(path) / "model").is_dir():
            raise FileNotFoundError(f"{self.name}: there is no folder 'model' in {str(path)!r}")
        shim = shim_of(self.model)
        util.from_disk(path, {"model": shim.load}, exclude)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the model; it is loaded if it is not yet."""
        self._ensure_loaded()
        return util.to_bytes({"model": shim_of(self.model).to_bytes}, exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "CraftNER":
        """Load what `to_bytes` gave."""
        util.from_bytes(bytes_data, {"model": shim_of(self.model).from_bytes}, exclude)
        return self

    def _ensure_loaded(self) -> None:
        if not shim_of(self.model).is_loaded:
            load(self.model)


def _attempt(step: Callable[..., Result], *args: Any) -> tuple[Result | None, Exception | None]:
    """What a step gives, or what went wrong: spaCy's contract is that the handler gets any error at all."""
    try:
        return step(*args), None
    except Exception as err:
        return None, err


def gold_tags(doc: Doc, word_chars: Ints, scheme: TagScheme) -> Ints:
    """The tags of a model's words by the annotation of a Doc.

    doc (Doc): its tokens need not be the model's words.
    word_chars (n_words, 2): start and end of each word, in characters of the Doc.
    RETURNS (n_words,): index of each word's tag; -1 where it is missing: the tokens are not annotated, or an
        entity begins or ends inside the word.
    RAISES: ValueError if an entity's label is none of the scheme's.
    """
    if not doc.has_annotation("ENT_IOB"):
        return np.full(len(word_chars), -1, dtype=np.int64)
    entities, missing = [], []
    for ent in doc.ents:
        first, end, exact = exact_words(ent.start_char, ent.end_char, word_chars)
        if exact:
            entities.append(WordEntity(first, end, ent.label_, 1.0))
        else:
            missing.append((first, end))
    for token in doc:
        if token.ent_iob == 0 and not token.text.isspace():
            missing.append(exact_words(token.idx, token.idx + len(token), word_chars)[:2])
    tags = write_tags(entities, len(word_chars), scheme)
    for first, end in missing:
        tags[first:end] = -1
    return tags


def _span_group(
    doc: Doc, key: str, spans: list[Span], placed: list[PlacedEntity], unplaced: list[Entity]
) -> SpanGroup:
    attrs = {
        "scores": [p.entity.score for p in placed],
        "offsets": [[p.entity.start, p.entity.end] for p in placed],
        "unplaced": [e._asdict() for e in unplaced],
    }
    return SpanGroup(doc, name=key, spans=spans, attrs=attrs)
