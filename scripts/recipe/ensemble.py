"""Several models as one: the mean of their probabilities for each word."""

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import spacy
from spacy.tokens import Doc

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.decoding import best_tags, log_softmax, read_entities
from craftner_spacy.tags import TagScheme
from craftner_spacy.types import Entity, Floats, Ints

MAX_DOCS = 16


class Ensemble:
    """Models whose tokenizers split a text into the same words, each with a weight.

    models: 'small', hub ids or folders, each with or without ``=WEIGHT`` (1) after it.
    RAISES: ValueError if a model has other tags than the first, or a weight is not a positive number.
    """

    def __init__(self, models: Sequence[str]) -> None:
        self.names, weights = zip(*map(parse_model, models), strict=True)
        self.components = [load_component(name) for name in self.names]
        self.weights = np.array(weights) / sum(weights)
        self.scheme: TagScheme = self.components[0].scheme
        for name, component in zip(self.names, self.components, strict=True):
            if set(component.scheme.tags) != set(self.scheme.tags):
                raise ValueError(
                    f"model {name!r} has the tags {component.scheme.tags}: allowed are those of the first, "
                    f"{self.scheme.tags}"
                )

    def probabilities(
        self, docs: Sequence[Doc], tags: Sequence[str] | None = None
    ) -> list[tuple[Ints, Floats]]:
        """The probability of each tag for the words of each Doc.

        tags: their order; None: that of `scheme`.
        RETURNS: for each Doc start and end of its words in characters (n_words, 2), and the probabilities
            (n_words, n_tags).
        RAISES: ValueError if a model has other words than the first.
        """
        order = tags or self.scheme.tags
        orders = [[component.scheme.index[tag] for tag in order] for component in self.components]
        scores = [component.model.predict(list(docs)) for component in self.components]
        means = []
        for of_doc in zip(*scores, strict=True):
            chars = of_doc[0].chars
            if any(not np.array_equal(words.chars, chars) for words in of_doc[1:]):
                raise ValueError(f"the models {', '.join(self.names)} split a text into different words")
            weighted = [
                weight * np.exp(log_softmax(words.logits.astype(np.float64)))[:, columns]
                for words, columns, weight in zip(of_doc, orders, self.weights, strict=True)
            ]
            means.append((chars, np.sum(weighted, axis=0)))
        return means

    def predict(self, docs: Iterable[Doc]) -> list[list[Entity]]:
        """The entities of each Doc's text, over characters, as `CraftNER.predict` returns them."""
        stream = iter(docs)
        predicted = []
        while batch := list(islice(stream, MAX_DOCS)):
            predicted += [
                [
                    Entity(int(chars[e.start, 0]), int(chars[e.end - 1, 1]), e.label, e.score)
                    for e in word_entities(probabilities, self.scheme)
                ]
                for chars, probabilities in self.probabilities(batch)
            ]
        return predicted


def word_entities(probabilities: Floats, scheme: TagScheme) -> list[Entity]:
    """The entities of a text, over words.

    probabilities (n_words, n_tags): of each tag of `scheme`.
    """
    log_probs = np.log(np.maximum(probabilities, 1e-30))
    return read_entities(best_tags(log_probs, scheme), log_probs, scheme)


def parse_model(text: str) -> tuple[str, float]:
    """Name and weight of a model.

    RAISES: ValueError if the weight is not a positive number.

    >>> parse_model("small=0.6"), parse_model("training/base")
    (('small', 0.6), ('training/base', 1.0))
    """
    name, equals, weight = text.rpartition("=")
    if not equals:
        return text, 1.0
    try:
        number = float(weight)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise ValueError(f"weight = {weight!r} in {text!r}: it has to be a positive number")
    return name, number


def load_component(name: str) -> CraftNER:
    """A `craft_ner` with the model of that name."""
    component = spacy.blank("en").add_pipe("craft_ner", config={"model": {"name": name}})
    assert isinstance(component, CraftNER)
    component.initialize(lambda: [])
    return component
