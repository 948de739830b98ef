"""Calibrate the scores of a model: fit a temperature, and divide the classifier's weights by it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import spacy
import torch
import typer
from export import export
from spacy.tokens import Doc, DocBin
from tqdm import tqdm
from wasabi import msg

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.decoding import best_tags, log_softmax, read_entities
from craftner_spacy.evaluation.analysis import Scored, calibration_error
from craftner_spacy.folders import load_folder
from craftner_spacy.types import Bools, Floats

sys.path.insert(1, str(Path(__file__).parents[1] / "measure"))
import measured

TEMPERATURES = np.arange(50, 301, 2) / 100


def main(
    model: Annotated[Path, typer.Argument(help="a folder in Hugging Face's layout", exists=True)],
    devel: Annotated[Path, typer.Argument(help="articles of the development split: .spacy", exists=True)],
    out: Path,
    metrics: Path | None = None,
) -> None:
    """Write MODEL to OUT as it is shipped, its classifier divided by the temperature that fits DEVEL best.

    The best temperature has the lowest cross-entropy between the scores of entities and whether they are
    correct. To divide the weights is to divide the logits, so the component needs no setting for it. Which
    tag is the most probable one does not change.
    """
    articles = read(model, devel)
    if len(articles) < 2:
        msg.fail(f"{devel} has {len(articles)} articles: to fit and to check, at least 2 are needed", exits=1)
    temperature = fit(articles)
    # Each article with the temperature of the others: the effect on articles that were not used to fit.
    held_out = [fit(articles[:i] + articles[i + 1 :]) for i in range(len(articles))]
    report = {
        "temperature": temperature,
        "error_before": error(articles, [1.0] * len(articles)),
        "error_after": error(articles, [temperature] * len(articles)),
        "error_held_out": error(articles, held_out),
    }
    loaded = load_folder(model)
    with torch.no_grad():
        for weights in loaded.transformer.classifier.parameters():
            weights /= temperature
    export(loaded, out)
    if metrics is not None:
        measured.write_json(metrics, report, model=str(out))
    msg.good(", ".join(f"{name} {value:.4f}" for name, value in report.items()))


class Article(NamedTuple):
    """The entities that the model finds in an article.

    scores (dict[float, (n_entities,)]): their scores, by temperature.
    correct (n_entities,): whether the corpus has them.
    """

    scores: dict[float, Floats]
    correct: Bools


def read(model: Path, path: Path) -> list[Article]:
    """Predict the entities of the articles of a ``.spacy`` file."""
    nlp = spacy.blank("en")
    component = nlp.add_pipe("craft_ner", config={"model": {"name": str(model)}})
    assert isinstance(component, CraftNER)
    scheme = component.scheme
    articles = []
    for gold in tqdm(list(DocBin().from_disk(path).get_docs(nlp.vocab)), unit="article"):
        doc = Doc(nlp.vocab, [t.text for t in gold], [bool(t.whitespace_) for t in gold])
        [words] = component.model.predict([doc])
        tags = best_tags(log_softmax(words.logits), scheme)
        entities = {
            temperature: read_entities(tags, log_softmax(words.logits / np.float32(temperature)), scheme)
            for temperature in [1.0, *TEMPERATURES.tolist()]
        }
        gold_spans = {(ent.label_, ent.start_char, ent.end_char) for ent in gold.ents}
        correct = [
            (e.label, int(words.chars[e.start, 0]), int(words.chars[e.end - 1, 1])) in gold_spans
            for e in entities[1.0]
        ]
        scores = {t: np.array([e.score for e in scored]) for t, scored in entities.items()}
        articles.append(Article(scores, np.array(correct, dtype=bool)))
    return articles


def fit(articles: Sequence[Article]) -> float:
    """The temperature in `TEMPERATURES` with the lowest cross-entropy."""
    correct = np.concatenate([article.correct for article in articles])

    def cross_entropy(temperature: float) -> float:
        p = np.clip(np.concatenate([a.scores[temperature] for a in articles]), 1e-6, 1 - 1e-6)
        return float(-np.where(correct, np.log(p), np.log1p(-p)).mean())

    return min(TEMPERATURES.tolist(), key=cross_entropy)


def error(articles: Sequence[Article], temperatures: Sequence[float]) -> float:
    """Expected calibration error, with a temperature for each article."""
    scores = [a.scores[t] for a, t in zip(articles, temperatures, strict=True)]
    correct = [a.correct for a in articles]
    return calibration_error(Scored(np.concatenate(scores), np.concatenate(correct), 0))


if __name__ == "__main__":
    typer.run(main)
