"""Scores of the mean of several models' probabilities, by weight: what another teacher adds."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab
from tables import percent, table
from tqdm import tqdm

from craftner_spacy.alignment import chars_of_tokens, exact_words
from craftner_spacy.evaluation.scorers import seqeval_scores
from craftner_spacy.tags import TagScheme
from craftner_spacy.types import Floats, Ints

sys.path.insert(1, str(Path(__file__).parents[1] / "recipe"))
from ensemble import Ensemble, word_entities

Scores = list[tuple[Ints, Floats]]
"""For each Doc start and end of its words in characters, and the probabilities of their tags."""


def main(
    path: Annotated[Path, typer.Argument(help="documents with gold entities: .spacy", exists=True)],
    models: Annotated[list[str], typer.Argument(help="models; the first has the rest of the weight")],
    steps: Annotated[int, typer.Option(help="number of steps of the weights, from 0 to 1")] = 10,
    cache: Annotated[Path | None, typer.Option(help="folder in which probabilities are kept")] = None,
) -> None:
    """Print precision, recall, F1 and Protein's F1 of the weighted means of MODELS on PATH."""
    references = list(DocBin().from_disk(path).get_docs(Vocab()))
    scheme = Ensemble(models[:1]).scheme
    by_model = [read_or_predict(model, references, scheme, cache) for model in models]
    rows = []
    for weights in weight_grid(len(models), steps):
        examples = [
            Example(mixed_doc(reference, [scores[i] for scores in by_model], weights, scheme), reference)
            for i, reference in enumerate(references)
        ]
        scores = seqeval_scores(examples)
        figures = [scores[key] for key in ("precision", "recall", "f1")]
        figures.append(scores["per_label"].get("Protein", {}).get("f1", 0.0))
        rows.append([*(f"{weight:.2f}" for weight in weights), *(percent(figure, 2) for figure in figures)])
    print(table([*models, "P", "R", "F1", "F1 Protein"], rows))


def weight_grid(n_models: int, steps: int) -> Iterator[tuple[float, ...]]:
    """All weights of some models in steps; they sum to 1, and the first model has the rest.

    >>> list(weight_grid(2, 2))
    [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
    """
    for others in product(range(steps + 1), repeat=n_models - 1):
        if sum(others) <= steps:
            yield tuple(step / steps for step in (steps - sum(others), *others))


def read_or_predict(model: str, docs: Sequence[Doc], scheme: TagScheme, cache: Path | None) -> Scores:
    """The probabilities of a model for each tag of `scheme`, from the cache if they are there.

    The cache knows a model by its name: it is not for a model whose weights change.
    """
    key = hashlib.sha256("\n".join([model, *(doc.text for doc in docs)]).encode()).hexdigest()[:16]
    file = cache / f"{key}.npz" if cache else None
    if file and file.exists():
        arrays = np.load(file)
        return [(arrays[f"chars{i}"], arrays[f"probs{i}"]) for i in range(len(docs))]
    ensemble = Ensemble([model])
    scores = [words for doc in tqdm(docs, desc=model) for words in ensemble.probabilities([doc], scheme.tags)]
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        kept: dict[str, Any] = {f"chars{i}": chars for i, (chars, _) in enumerate(scores)}
        kept.update({f"probs{i}": probabilities for i, (_, probabilities) in enumerate(scores)})
        np.savez(file, **kept)
    return scores


def mixed_doc(reference: Doc, scores: Scores, weights: Sequence[float], scheme: TagScheme) -> Doc:
    """The reference's tokens with the entities of the weighted mean, each on all tokens that it overlaps.

    scores: one item for each model.
    """
    chars, tokens = scores[0][0], chars_of_tokens(reference)
    mean: NDArray[Any] = np.sum([w * probs for w, (_, probs) in zip(weights, scores, strict=True)], axis=0)
    doc = Doc(reference.vocab, [t.text for t in reference], [bool(t.whitespace_) for t in reference])
    spans: list[Span] = []
    for entity in word_entities(mean, scheme):
        first, end, _ = exact_words(int(chars[entity.start, 0]), int(chars[entity.end - 1, 1]), tokens)
        if not spans or first >= spans[-1].end:
            spans.append(Span(doc, first, end, label=entity.label))
    doc.set_ents(spans)
    return doc


if __name__ == "__main__":
    typer.run(main)
