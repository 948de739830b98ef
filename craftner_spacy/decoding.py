"""From the scores of words to entities: constrained tags, then runs of them.

Tags follow the BIO scheme: ``B-x`` begins an entity, ``I-x`` goes on with it and can only follow
``B-x`` or ``I-x``, ``O`` is outside. Two entities may touch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class WordEntity(NamedTuple):
    """An entity over words: first word, end (half-open), label, and score in [0, 1]."""

    start: int
    end: int
    label: str
    score: float


class TagScheme:
    """The tags of a model, in the order of its outputs, and what may follow what.

    tags (tuple[str, ...]): ``O``, ``B-x`` and ``I-x``; each once.
    labels (tuple[str, ...]): the labels, in the order of their first tag.
    may_begin (n_tags,): tags that may stand first.
    may_follow (n_tags, n_tags): [i, j] is true where tag j may follow tag i.
    RAISES: ValueError if a tag is not BIO, stands twice, or an ``I-x`` has no ``B-x``.

    >>> TagScheme(("O", "B-Cell", "I-Cell")).may_begin.tolist()
    [True, True, False]
    """

    def __init__(self, tags: tuple[str, ...]) -> None:
        parts = [tag.partition("-") for tag in tags]
        for tag, (prefix, _, label) in zip(tags, parts, strict=True):
            if not (tag == "O" or (prefix in ("B", "I") and label)):
                raise ValueError(f"tag {tag!r} is not of the BIO scheme: 'O', 'B-label' or 'I-label'")
        if len(set(tags)) != len(tags):
            raise ValueError(f"a tag stands twice in {list(tags)}")
        if "O" not in tags:
            raise ValueError(f"the tag 'O' is missing in {list(tags)}")
        for prefix, _, label in parts:
            if prefix == "I" and f"B-{label}" not in tags:
                raise ValueError(f"tag 'I-{label}' has no 'B-{label}' in {list(tags)}")
        self.tags = tags
        self.labels = tuple(dict.fromkeys(label for _, _, label in parts if label))
        self.index = {tag: i for i, tag in enumerate(tags)}
        self.may_begin: Bools = np.array([prefix != "I" for prefix, _, _ in parts])
        self.may_follow: Bools = np.array(
            [[prefix != "I" or label == before for prefix, _, label in parts] for _, _, before in parts]
        )


def log_softmax(logits: Floats) -> Floats:
    """Log-probabilities over the last axis.

    logits (n_words, n_tags): scores of any scale.
    RETURNS (n_words, n_tags): each row's exponentials sum to 1.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def best_tags(log_probs: Floats, scheme: TagScheme) -> Ints:
    """The most probable row of tags that the scheme allows (Viterbi).

    A word whose likeliest tag is no ``I-`` may follow anything, so the row falls into runs there. Only runs
    with a forbidden step are searched, each alone and all at once: where the best row of a run begins with no
    ``I-`` either, it fits whatever stands before; where it does, the run is joined to the one before, and
    both are searched as one.

    log_probs (n_words, n_tags): log-probability of each tag at each word.
    RETURNS (n_words,): index of each word's tag.

    >>> scheme = TagScheme(("O", "B-Cell", "I-Cell"))
    >>> best_tags(np.log([[0.6, 0.4, 1e-9], [0.1, 0.1, 0.8]]), scheme).tolist()
    [1, 2]
    """
    tags = log_probs.argmax(axis=1)
    if not len(tags):
        return tags
    forbidden = np.flatnonzero(~scheme.may_follow[tags[:-1], tags[1:]]) + 1
    if not scheme.may_begin[tags[0]]:
        forbidden = np.concatenate([[0], forbidden])
    starts = np.union1d([0], np.flatnonzero(scheme.may_begin[tags]))
    pending = np.unique(np.searchsorted(starts, forbidden, side="right") - 1)
    while len(pending):
        ends = np.append(starts[1:], len(tags))
        _search_runs(log_probs, starts[pending], ends[pending], scheme, tags)
        joined = pending[~scheme.may_begin[tags[starts[pending]]]]
        is_start = np.ones(len(starts), dtype=bool)
        is_start[joined] = False
        pending = np.unique(np.cumsum(is_start)[joined] - 1)
        starts = starts[is_start]
    return tags


def _search_runs(log_probs: Floats, starts: Ints, ends: Ints, scheme: TagScheme, tags: Ints) -> None:
    """Write the most probable row of tags for each run: any tag may begin it, but no ``I-`` the first word's.

    log_probs (n_words, n_tags): log-probability of each tag at each word.
    starts, ends (n_runs,): words of each run; one at least.
    tags (n_words,): where the rows are written.
    """
    longest_first = np.argsort(starts - ends, kind="stable")
    starts = starts[longest_first]
    lengths = ends[longest_first] - starts
    # The log-probability of the best row of each run up to a word, by its tag there. (n_runs, n_tags)
    best = log_probs[starts].astype(np.float64)
    best[starts == 0] += np.where(scheme.may_begin, 0.0, -np.inf)
    penalty = np.where(scheme.may_follow, 0.0, -np.inf)
    came_from = []
    for i in range(1, int(lengths[0])):
        n = int(np.searchsorted(-lengths, -i))
        paths = best[:n, :, None] + penalty
        came_from.append(paths.argmax(axis=1))
        best[:n] = paths.max(axis=1) + log_probs[starts[:n] + i]
    found = best.argmax(axis=1)
    tags[starts + lengths - 1] = found
    for i, before in reversed(list(enumerate(came_from))):
        n = len(before)
        found[:n] = before[np.arange(n), found[:n]]
        tags[starts[:n] + i] = found[:n]


def read_entities(tags: Ints, log_probs: Floats, scheme: TagScheme) -> list[WordEntity]:
    """The entities that a row of tags spells, with their scores.

    An entity's score is the model's probability of just this entity, its words taken one by one: the
    product of the probabilities of its words' tags, times the probability that the word behind it does
    not go on with it.

    tags (n_words,): tag indices that the scheme allows.
    log_probs (n_words, n_tags): log-probability of each tag at each word.
    RETURNS: entities in order, without overlap.

    >>> scheme = TagScheme(("O", "B-Cell", "I-Cell"))
    >>> probs = np.array([[0.1, 0.9, 0.0], [0.1, 0.1, 0.8], [0.5, 0.25, 0.25]])
    >>> with np.errstate(divide="ignore"):
    ...     [(e.start, e.end, e.label, round(e.score, 3)) for e in
    ...      read_entities(np.array([1, 2, 0]), np.log(probs), scheme)]
    [(0, 2, 'Cell', 0.54)]
    """
    begins = np.array([tag.startswith("B-") for tag in scheme.tags])
    goes_on = np.array([tag.startswith("I-") for tag in scheme.tags])
    starts = np.flatnonzero(begins[tags])
    if not len(starts):
        return []
    stops = np.append(np.flatnonzero(~goes_on[tags]), len(tags))
    ends = stops[np.searchsorted(stops, starts, side="right")]
    chosen = log_probs[np.arange(len(tags)), tags]
    summed = np.concatenate([[0.0], np.cumsum(chosen, dtype=np.float64)])
    entities = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        label = scheme.tags[tags[start]][2:]
        score = float(np.exp(summed[end] - summed[start]))
        inside = scheme.index.get(f"I-{label}")
        if end < len(tags) and inside is not None:
            score *= 1.0 - float(np.exp(log_probs[end, inside]))
        entities.append(WordEntity(start, end, label, min(1.0, max(0.0, score))))
    return entities


def write_tags(entities: list[WordEntity], n_words: int, scheme: TagScheme) -> Ints:
    """The row of tags that spells the entities: the inverse of `read_entities`.

    entities: without overlap.
    n_words (int): length of the row.
    RETURNS (n_words,): tag indices.
    RAISES: ValueError if an entity's label is none of the scheme's.

    >>> write_tags([WordEntity(1, 3, "Cell", 1.0)], 4, TagScheme(("O", "B-Cell", "I-Cell"))).tolist()
    [0, 1, 2, 0]
    """
    tags = np.full(n_words, scheme.index["O"], dtype=np.int64)
    for entity in entities:
        if entity.label not in scheme.labels:
            raise ValueError(f"label {entity.label!r} is none of the model's: {', '.join(scheme.labels)}")
        tags[entity.start : entity.end] = scheme.index.get(f"I-{entity.label}", scheme.index["O"])
        tags[entity.start] = scheme.index[f"B-{entity.label}"]
    return tags
