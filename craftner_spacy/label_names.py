"""The names that `label_map` gives to the labels of a model, and which label a name in gold stands for."""

from collections.abc import Iterable, Mapping, Sequence

from spacy.tokens import Span
from spacy.training import Example


class LabelNames:
    """Labels of a model and their names, which are what entities, gold and scores have.

    labels (Sequence[str]): the labels of the model.
    label_map (Mapping[str, str]): other names for some of them.
    RAISES: ValueError if a key of the map is no label of the model.

    >>> names = LabelNames(["Cell", "Gene", "Protein"], {"Gene": "Part", "Protein": "Gene"})
    >>> names.names
    ('Cell', 'Part', 'Gene')
    """

    def __init__(self, labels: Sequence[str], label_map: Mapping[str, str]) -> None:
        unknown = sorted(label_map.keys() - set(labels))
        if unknown:
            raise ValueError(
                f"label_map = {dict(label_map)!r}: the model has no label {unknown[0]!r}; "
                f"allowed are {', '.join(labels) or 'none'}"
            )
        self._name_of = {label: label_map.get(label, label) for label in labels}
        self.names: tuple[str, ...] = tuple(dict.fromkeys(self._name_of.values()))

    def gold_name(self, label: str) -> str:
        """The name that a label in gold is scored by.

        A name stands for itself. A label of the model that has another name, and whose own name no label has,
        is scored by that name: so gold may keep the labels that the model was trained with.

        >>> names = LabelNames(["Gene", "Protein"], {"Gene": "Part"})
        >>> [names.gold_name(label) for label in ("Part", "Gene", "Protein", "Disease")]
        ['Part', 'Part', 'Protein', 'Disease']
        """
        return label if label in self.names else self._name_of.get(label, label)

    def gold_label(self, label: str) -> str | None:
        """The one label of the model that a label in gold stands for; None if there is none, or several.

        >>> names = LabelNames(["Cell", "Gene", "Protein"], {"Gene": "Any", "Protein": "Any"})
        >>> [names.gold_label(label) for label in ("Cell", "Gene", "Any", "Disease")]
        ['Cell', 'Gene', None, None]
        """
        if label not in self.names:
            return label if label in self._name_of else None
        labels = [of_model for of_model, name in self._name_of.items() if name == label]
        return labels[0] if len(labels) == 1 else None

    def scored(self, examples: Iterable[Example]) -> list[Example]:
        """The examples with the names that gold is scored by; those that have them already are not copied."""
        return [self._scored(example) for example in examples]

    def _scored(self, example: Example) -> Example:
        ents = example.reference.ents
        if all(self.gold_name(ent.label_) == ent.label_ for ent in ents):
            return example
        reference = example.reference.copy()
        renamed = [
            Span(reference, ent.start, ent.end, self.gold_name(ent.label_), kb_id=ent.kb_id, span_id=ent.id)
            for ent in ents
        ]
        # Tokens without annotation stay so.
        reference.set_ents(renamed, default="unmodified")
        return Example(example.predicted, reference)


def labels_for(gold: Iterable[str], label_map: Mapping[str, str]) -> list[str]:
    """The labels that a model needs for gold that has these labels; sorted.

    gold: labels of entities.
    label_map (Mapping[str, str]): names of the labels.

    >>> labels_for(["Part", "Cell"], {"Gene": "Part"})
    ['Cell', 'Gene']
    """
    labels_of: dict[str, list[str]] = {}
    for label, name in label_map.items():
        labels_of.setdefault(name, []).append(label)
    return sorted({label for name in gold for label in labels_of.get(name, [name])})
