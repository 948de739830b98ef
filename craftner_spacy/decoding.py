"""From the scores of words to entities: the best tag sequence that is allowed, then its entities."""

import numpy as np

from .tags import TagScheme
from .types import Entity, Floats, Ints


def log_softmax(logits: Floats) -> Floats:
    """Log-probabilities over the last axis.

    logits (n_words, n_tags): scores of any scale.
    RETURNS (n_words, n_tags): each row's exponentials sum to 1.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def best_tags(log_probs: Floats, scheme: TagScheme) -> Ints:
    """The most probable tag sequence that the scheme allows (Viterbi).

    A word whose most probable tag is not an ``I-`` may follow any word, so the sequence can be split there
    into runs. Only runs with a forbidden transition are searched, all at once. If the best sequence of a run
    does not begin with an ``I-``, it fits whatever stands before it. If it does, the run is joined to those
    before it, and they are searched again as one. At least as many words are joined as the run has: a word is
    searched again only in a run of twice the length, so the time stays about linear whatever the scores.

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
        # Each joins the runs before it, back to the one that holds the word a length of its own before it.
        first = np.searchsorted(starts, np.maximum(0, 2 * starts[joined] - ends[joined]), side="right") - 1
        depth = np.zeros(len(starts) + 1, dtype=np.int64)
        np.add.at(depth, first + 1, 1)
        np.add.at(depth, joined + 1, -1)
        is_start = np.cumsum(depth)[:-1] == 0
        pending = np.unique(np.cumsum(is_start)[joined] - 1)
        starts = starts[is_start]
    return tags


def _search_runs(log_probs: Floats, starts: Ints, ends: Ints, scheme: TagScheme, tags: Ints) -> None:
    """Write the most probable tag sequence of each run.

    Any tag may begin a run, but an ``I-`` cannot be the tag of a document's first word.

    log_probs (n_words, n_tags): log-probability of each tag at each word.
    starts, ends (n_runs,): words of each run; one at least.
    tags (n_words,): where the sequences are written.
    """
    longest_first = np.argsort(starts - ends, kind="stable")
    starts = starts[longest_first]
    lengths = ends[longest_first] - starts
    # Log-probability of the best sequence of each run up to a word, by the word's tag. (n_runs, n_tags)
    best = log_probs[starts].astype(np.float64)
    best[starts == 0] += np.where(scheme.may_begin, 0.0, -np.inf)
    penalty = np.where(scheme.may_follow, 0.0, -np.inf)
    came_from = []
    for i in range(1, int(lengths[0])):
        n = int(np.searchsorted(-lengths, -i))
        paths = best[:n, :, None] + penalty
        came_from.append(paths.argmax(axis=1))
        best[:n] = paths.max(axis=1) + log_probs[starts[:n] + i]
    last = best.argmax(axis=1)
    tags[starts + lengths - 1] = last
    for i, before in reversed(list(enumerate(came_from))):
        n = len(before)
        last[:n] = before[np.arange(n), last[:n]]
        tags[starts[:n] + i] = last[:n]


def read_entities(tags: Ints, log_probs: Floats, scheme: TagScheme) -> list[Entity]:
    """The entities of a tag sequence, with their scores.

    An entity's score is the model's probability of exactly this span and label, where words are taken as
    independent: the product of the probabilities of the tags of its words, times the probability that the
    next word does not continue it.

    tags (n_words,): tag indices that the scheme allows.
    log_probs (n_words, n_tags): log-probability of each tag at each word.
    RETURNS: entities over words, in order, without overlap.

    >>> scheme = TagScheme(("O", "B-Cell", "I-Cell"))
    >>> probs = np.array([[0.1, 0.9, 0.0], [0.1, 0.1, 0.8], [0.5, 0.25, 0.25]])
    >>> with np.errstate(divide="ignore"):
    ...     [(e.start, e.end, e.label, round(e.score, 3)) for e in
    ...      read_entities(np.array([1, 2, 0]), np.log(probs), scheme)]
    [(0, 2, 'Cell', 0.54)]
    """
    is_inside = scheme.continues[tags]
    if scheme.is_io:
        is_inside = np.append(False, (tags[1:] == tags[:-1]) & (scheme.label_of[tags[1:]] >= 0))[: len(tags)]
    starts = np.flatnonzero((scheme.label_of[tags] >= 0) & ~is_inside)
    if not len(starts):
        return []
    stops = np.append(np.flatnonzero(~is_inside), len(tags))
    ends = stops[np.searchsorted(stops, starts, side="right")]
    chosen = log_probs[np.arange(len(tags)), tags]
    summed = np.concatenate([[0.0], np.cumsum(chosen, dtype=np.float64)])
    entities = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        number = scheme.label_of[tags[start]]
        score = float(np.exp(summed[end] - summed[start]))
        # L and U say themselves that the entity ends.
        if end < len(tags) and scheme.prefixes[tags[end - 1]] in ("B", "I"):
            may_continue = scheme.is_io | scheme.continues
            inside = may_continue & (scheme.label_of == number)
            score *= 1.0 - float(np.exp(log_probs[end, inside]).sum())
        entities.append(Entity(start, end, scheme.labels[number], min(1.0, max(0.0, score))))
    return entities


def find_entities(chars: Ints, starts: Ints, logits: Floats, scheme: TagScheme) -> list[Entity]:
    """The entities of a document, over characters.

    chars (n_words, 2): start and end of each word, in characters.
    starts (n_runs,): the first word of each run of words; no entity reaches from one run into the next.
    logits (n_words, n_tags): scores of the words.
    RETURNS: in order, without overlap.
    """
    runs = zip(np.split(chars, starts[1:]), np.split(log_softmax(logits), starts[1:]), strict=True)
    return [
        Entity(int(words[e.start, 0]), int(words[e.end - 1, 1]), e.label, e.score)
        for words, log_probs in runs
        for e in read_entities(best_tags(log_probs, scheme), log_probs, scheme)
    ]
