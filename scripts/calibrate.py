"""Fit a temperature, so that scores mean what they say, and write it into the weights of the classifier."""

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import spacy
import srsly
import torch
import typer
from numpy.typing import NDArray
from spacy.tokens import Doc, DocBin
from tqdm import tqdm
from wasabi import msg

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.decoding import best_tags, log_softmax, read_entities
from craftner_spacy.evaluation import Scored, calibration_error
from craftner_spacy.sources import load_folder, save_folder

TEMPERATURES = np.arange(50, 301, 2) / 100


def main(
    model: Annotated[Path, typer.Argument(help="a folder in Hugging Face's layout", exists=True)],
    devel: Annotated[Path, typer.Argument(help="articles of the development split: .spacy", exists=True)],
    out: Path,
    metrics: Path | None = None,
) -> None:
    """Write MODEL to OUT with its classifier's weights divided by the temperature that fits DEVEL best.

    The best has the least cross-entropy between the entities' scores and whether they are right. Dividing the
    weights divides the logits, so that nothing has to be known of it where the model is used; which tags are
    the best does not change.
    """
    articles = read(model, devel)
    if len(articles) < 2:
        msg.fail(f"{devel} holds {len(articles)} articles: fit and check need at least 2", exits=1)
    temperature = fit(articles)
    # Each article by the temperature of the others: what the fit is worth on articles it has not seen.
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
    save_folder(loaded, out, torch.float32)
    if metrics is not None:
        metrics.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(metrics, report)
    msg.good(", ".join(f"{name} {value:.4f}" for name, value in report.items()))


class Article(NamedTuple):
    """The entities that the model finds in an article.

    scores (dict[float, (n_entities,)]): their scores by temperature.
    right (n_entities,): whether the corpus has them.
    """

    scores: dict[float, NDArray[np.float64]]
    right: NDArray[np.bool_]


def read(model: Path, path: Path) -> list[Article]:
    """Let the model read the articles of a ``.spacy`` file."""
    nlp = spacy.blank("en")
    component = nlp.add_pipe("craft_ner", config={"model": {"name": str(model)}})
    assert isinstance(component, CraftNER)
    scheme = component.scheme
    articles = []
    for gold in tqdm(list(DocBin().from_disk(path).get_docs(nlp.vocab)), unit="article"):
        doc = Doc(nlp.vocab, [t.text for t in gold], [bool(t.whitespace_) for t in gold])
        [words] = component.model.predict([doc])
        tags = best_tags(log_softmax(words.logits), scheme)
        found = {
            temperature: read_entities(tags, log_softmax(words.logits / np.float32(temperature)), scheme)
            for temperature in [1.0, *TEMPERATURES.tolist()]
        }
        known = {(ent.label_, ent.start_char, ent.end_char) for ent in gold.ents}
        right = [
            (e.label, int(words.chars[e.start, 0]), int(words.chars[e.end - 1, 1])) in known
            for e in found[1.0]
        ]
        scores = {t: np.array([e.score for e in entities]) for t, entities in found.items()}
        articles.append(Article(scores, np.array(right, dtype=bool)))
    return articles


def fit(articles: list[Article]) -> float:
    """The temperature of least cross-entropy, of `TEMPERATURES`."""
    right = np.concatenate([article.right for article in articles])

    def cross_entropy(temperature: float) -> float:
        p = np.clip(np.concatenate([a.scores[temperature] for a in articles]), 1e-6, 1 - 1e-6)
        return float(-np.where(right, np.log(p), np.log1p(-p)).mean())

    return min(TEMPERATURES.tolist(), key=cross_entropy)


def error(articles: list[Article], temperatures: list[float]) -> float:
    """Expected calibration error, each article's scores at its temperature."""
    scores = [a.scores[t] for a, t in zip(articles, temperatures, strict=True)]
    right = [a.right for a in articles]
    return calibration_error(Scored(np.concatenate(scores), np.concatenate(right), 0))


if __name__ == "__main__":
    typer.run(main)
