"""How well the ids of predicted entities match the gold ones."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.scorer import PRFScore, Scorer
from spacy.tokens import Doc
from spacy.training import Example

from ..types import NO_ID


def make_craft_linker_scorer() -> Callable[..., dict[str, Any]]:
    """The scorer `craftner_spacy.craft_linker_scorer.v1`."""
    return craft_linker_score


def craft_linker_score(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Ids on the entities that were found, and ids end to end.

    RETURNS: ``nel_micro_p``, ``nel_micro_r``, ``nel_micro_f`` and the others of `Scorer.score_links`, which
        look at entities with the right span alone; and ``links_p``, ``links_r``, ``links_f`` and
        ``links_per_type``, for which span, label and id have to be right.
    """
    examples = list(examples)
    scores = Scorer.score_links(examples, negative_labels=NO_ID)
    total = PRFScore()
    per_label: dict[str, PRFScore] = {}
    for example in examples:
        gold, predicted = _links(example.reference), _links(example.predicted)
        total.score_set(predicted, gold)
        for label in {link[0] for link in gold | predicted}:
            per_label.setdefault(label, PRFScore()).score_set(
                {link for link in predicted if link[0] == label}, {link for link in gold if link[0] == label}
            )
    is_scored = bool(per_label)
    return {
        **scores,
        "links_p": total.precision if is_scored else None,
        "links_r": total.recall if is_scored else None,
        "links_f": total.fscore if is_scored else None,
        "links_per_type": {label: per_label[label].to_dict() for label in sorted(per_label)},
    }


def _links(doc: Doc) -> set[tuple[str, int, int, str]]:
    """Label, start and end in characters, and id of each entity that has one."""
    return {
        (ent.label_, ent.start_char, ent.end_char, ent.kb_id_) for ent in doc.ents if ent.kb_id_ not in NO_ID
    }
