"""Ties: concepts for which names and counts speak alike, told apart by the document."""

from bisect import bisect
from collections import Counter
from collections.abc import Sequence

from .candidates import Candidate


def break_ties(
    linked: Sequence[list[Candidate]], starts: Sequence[int], prefer_taxa: Sequence[str] = ()
) -> list[list[Candidate]]:
    """Put first, of candidates that are tied, the one that the document speaks for.

    That is the one that its mentions without a tie stand for most often; else the one whose species is named
    last before the mention, or, where none is, first after it; else the one of a preferred species.

    linked: the candidates of each mention, the best one first.
    starts: where each mention begins, in characters.
    prefer_taxa (Sequence[str]): ids of species, the preferred one first.
    RETURNS: the candidates of each mention; a list that has no tie is the very same object.

    >>> species = Candidate("T:2", "rat", 1.0, "exact")
    >>> pax6 = [Candidate("G:1", "Pax6", 0.5, "exact", "T:1", True),
    ...         Candidate("G:2", "Pax6", 0.5, "exact", "T:2", True)]
    >>> [best.id for best, *_ in break_ties([[species], pax6], [0, 4])]
    ['T:2', 'G:2']
    """
    ties = [len(candidates) > 1 and candidates[0].is_tied for candidates in linked]
    if not any(ties):
        return list(linked)
    certain = sorted(
        (start, candidates[0].id)
        for start, candidates, tie in zip(starts, linked, ties, strict=True)
        if candidates and not tie
    )
    counts = Counter(id_ for _, id_ in certain)
    broken = []
    for start, candidates, tie in zip(starts, linked, ties, strict=True):
        if tie:
            tied = [candidate for candidate in candidates if candidate.is_tied]
            best = (
                _most_used(tied, counts)
                or _of_nearest_species(tied, certain, start, counts)
                or _of_preferred_species(tied, prefer_taxa)
                or tied[0]
            )
            candidates = [best, *(other for other in candidates if other is not best)]
        broken.append(candidates)
    return broken


def _most_used(tied: list[Candidate], counts: Counter[str]) -> Candidate | None:
    most = max(counts[candidate.id] for candidate in tied)
    return next((candidate for candidate in tied if counts[candidate.id] == most > 0), None)


def _of_nearest_species(
    tied: list[Candidate], certain: list[tuple[int, str]], start: int, counts: Counter[str]
) -> Candidate | None:
    by_taxon: dict[str, Candidate] = {}
    for candidate in tied:
        if candidate.taxon is not None and counts[candidate.taxon]:
            by_taxon.setdefault(candidate.taxon, candidate)
    if not by_taxon:
        return None
    here = bisect(certain, (start, ""))
    for _, id_ in (*reversed(certain[:here]), *certain[here:]):
        if id_ in by_taxon:
            return by_taxon[id_]
    return None


def _of_preferred_species(tied: list[Candidate], prefer_taxa: Sequence[str]) -> Candidate | None:
    for taxon in prefer_taxa:
        for candidate in tied:
            if candidate.taxon == taxon:
                return candidate
    return None
