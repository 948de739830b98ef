"""Annotations of outside corpora as evidence, added to what teachers of CRAFT's labels predict there.

An entity that others annotate is most likely one of ours, if their label means one of ours and CRAFT does not
say otherwise. A word that they leave out says little. So probability is moved to an annotated entity only
from ``O``, and from labels with which the same annotators would have annotated it. Where the teachers predict
the entity with other borders, those of the annotators have a weight of their own, often 0.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from label_meanings import normalize_case
from spacy.tokens import Doc

from craftner_spacy.alignment import exact_words
from craftner_spacy.tags import TagScheme
from craftner_spacy.types import Floats, Ints

IS_PREDICTED = 0.5
"""The probability of a label from which on the teachers predict it."""


class Weights(NamedTuple):
    """Weights of the evidence.

    marked (float): share of the probability that is moved to an annotated entity which the teachers do not
        predict, in [0, 1].
    unmarked (float): share that is moved away from a predicted entity where annotators of all such entities
        have none, in [0, 1].
    borders (float): share that is moved to the borders of an annotated entity which the teachers predict with
        others, in [0, 1].
    """

    marked: float = 0.0
    unmarked: float = 0.0
    borders: float = 0.0


class Marked(NamedTuple):
    """An annotated entity over words.

    start, end (int): half-open, in words.
    label (str | None): our label; None: it means none of ours.
    """

    start: int
    end: int
    label: str | None


def add_evidence(
    probabilities: Floats,
    entities: Iterable[Marked],
    scheme: TagScheme,
    excluded: Collection[str],
    complete: Collection[str],
    weights: Weights,
) -> Floats:
    """Add the annotations of a corpus to the probabilities of the teachers.

    probabilities (n_words, n_tags): of each tag of `scheme`, as the teachers predict them.
    entities: what annotators marked, without overlap. A label of None says only that the corpus knows what is
        there.
    excluded: our labels that are wrong for an entity of another label (`label_meanings.excluded_labels`).
    complete: our labels of which the corpus annotates each entity.
    RETURNS (n_words, n_tags): a new array, in which each row has the same sum as before.

    >>> scheme = TagScheme(("O", "B-Protein", "I-Protein"))
    >>> teachers = np.array([[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [1.0, 0.0, 0.0]], dtype=np.float32)
    >>> entities, labels = [Marked(0, 1, "Protein")], ["Protein"]
    >>> add_evidence(teachers, entities, scheme, labels, labels, Weights(0.5, 0.5)).tolist()
    [[0.375, 0.625, 0.0], [0.625, 0.375, 0.0], [1.0, 0.0, 0.0]]
    """
    result, outside = probabilities.copy(), scheme.index["O"]
    is_marked = np.zeros(len(result), dtype=bool)
    entities = list(entities)
    for entity in entities:
        is_marked[entity.start : entity.end] = True
    for entity in entities:
        if entity.label is None:
            continue
        words = slice(entity.start, entity.end)
        own = _columns(scheme, entity.label)
        if (probabilities[words, own].sum(axis=1) < IS_PREDICTED).all():
            result[words] = _with_entity(probabilities[words], entity.label, scheme, excluded, weights.marked)
        elif weights.borders:
            result[words] = _with_entity(
                probabilities[words], entity.label, scheme, excluded, weights.borders
            )
            for word in _beyond(probabilities, entity, own):
                if not is_marked[word]:
                    result[word] = _without_label(probabilities[word], own, outside, weights.borders)
    for label in complete:
        for column in _columns(scheme, label):
            moved = weights.unmarked * result[~is_marked, column]
            result[~is_marked, column] -= moved
            result[~is_marked, outside] += moved
    return result


def _columns(scheme: TagScheme, label: str) -> list[int]:
    return [scheme.index[tag] for tag in (f"B-{label}", f"I-{label}") if tag in scheme.index]


def _with_entity(
    teachers: Floats, label: str, scheme: TagScheme, excluded: Collection[str], weight: float
) -> Floats:
    """The probabilities of an entity's words, with the evidence for it and its borders: (n_words, n_tags)."""
    own = _columns(scheme, label)
    others = [scheme.index["O"]]
    others += [column for other in excluded if other != label for column in _columns(scheme, other)]
    is_free = teachers[:, others].sum(axis=1) + teachers[:, own].sum(axis=1) >= 0.5
    result = teachers.copy()
    for i, row in enumerate(result):
        # A word of another entity (`mouse` in `mouse Pax6`) is not part of this one.
        target = own[-1] if i and is_free[i - 1] else own[0]
        movable = [*others, *(column for column in own if column != target)]
        moved = weight * row[movable]
        row[movable] -= moved
        row[target] += moved.sum()
    return result


def _beyond(teachers: Floats, entity: Marked, own: Sequence[int]) -> list[int]:
    """The words before and after an annotated entity that teachers predict as part of it.

    own: the columns of the entity's label, ``B-`` and ``I-``.
    """
    begin, inside = own
    is_own = teachers[:, own].sum(axis=1) >= IS_PREDICTED
    goes_on = is_own & (teachers[:, inside] > teachers[:, begin])
    first, end = entity.start, entity.end
    while first > 0 and goes_on[first] and is_own[first - 1]:
        first -= 1
    while end < len(teachers) and goes_on[end]:
        end += 1
    return [*range(first, entity.start), *range(entity.end, end)]


def _without_label(teachers: Floats, own: Sequence[int], outside: int, weight: float) -> Floats:
    """A word's probabilities (n_tags,) with a share of one label's moved to the other tags, by theirs.

    own: the columns of the label.
    outside (int): the column of ``O``, which has all if the others have none.
    """
    others = teachers.copy()
    others[own] = 0.0
    others[outside] += 1e-3
    result = teachers.copy()
    moved = weight * result[own]
    result[own] -= moved
    return result + moved.sum() * others / others.sum()


def marked_entities(
    doc: Doc, word_chars: Ints, meanings: Mapping[str, str], unannotated: Collection[str]
) -> list[Marked]:
    """The entities of a Doc over a model's words.

    The label is None if it means none of ours, if CRAFT does not annotate such a text, or if the entity
    begins or ends inside a word.

    word_chars (n_words, 2): start and end of each word, in characters of the Doc.
    meanings: our label for each label of the corpus.
    unannotated: texts of `label_meanings.unannotated_texts`.
    """
    marked = []
    for ent in doc.ents:
        first, end, exact = exact_words(ent.start_char, ent.end_char, word_chars)
        is_ours = exact and normalize_case(ent.text) not in unannotated
        marked.append(Marked(first, end, meanings.get(ent.label_) if is_ours else None))
    return marked
