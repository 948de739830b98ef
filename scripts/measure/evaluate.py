"""Measure a model on the words of the corpus and on the raw articles: a JSON file, and its tables."""

from pathlib import Path
from typing import Annotated, Any

import measured
import spacy
import typer
from published import PUBLISHED
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from tables import page, percent, table
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from craftner_spacy.evaluation.analysis import (
    ERROR_CLASSES,
    calibration_bins,
    calibration_error,
    error_classes,
    f1_interval,
    label_table,
    scored_entities,
    scores_by_threshold,
)
from craftner_spacy.evaluation.scorers import character_scores, seqeval_scores
from craftner_spacy.labels import LABEL_OF_CORPUS_TAG
from craftner_spacy.model import get_shim
from craftner_spacy.pipelines import get_component, load_pipeline

COLUMNS = ("loss", "precision", "recall", "f1", "accuracy")
PRF = ("precision", "recall", "f1")
THRESHOLDS = [i / 20 for i in range(20)]


def main(
    model: Annotated[
        str,
        typer.Argument(help="'small', 'biobert', a hub id, a folder with a model or a pipeline, a package"),
    ],
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/small"),
    splits: Annotated[str, typer.Option(help="comma-separated")] = "devel,test",
) -> None:
    """Evaluate MODEL on CORPUS. There is no network access unless it is a model of the hub."""
    nlp = load(model)
    component = get_component(nlp)
    measures = {}
    for split in splits.split(","):
        words = predict(nlp, corpus / "iob" / f"{split}.spacy", keep_tokens=True)
        articles = predict(nlp, corpus / f"{split}.spacy", keep_tokens=False)
        scored = scored_entities(words)
        measures[split] = {
            "corpus_words": {
                "loss": component.score(words)["ents_loss"],
                **seqeval_scores(words),
                "over_wordpieces": over_wordpieces(words, get_shim(component.model).tokenizer),
                "f1_interval": f1_interval(words),
                "errors": error_classes(words),
                "label_table": label_table(words),
                "calibration": {"error": calibration_error(scored), "bins": calibration_bins(scored)},
                "thresholds": scores_by_threshold(scored, THRESHOLDS),
            },
            "raw_articles": {**character_scores(articles), "f1_interval": f1_interval(articles)},
        }
    report: dict[str, Any] = {"splits": measures}
    if measured.pipeline_folder(model):
        report["model"] = f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"
    measured.write(out, report, model, as_markdown)


def over_wordpieces(examples: list[Example], tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """The model card's metrics if each wordpiece counts as a token with the tag of its word.

    The card does not say whether it scored words or wordpieces.
    """
    scores = seqeval_scores(examples, lambda text: max(1, len(tokenizer.tokenize(text))))
    return {key: scores[key] for key in COLUMNS if key in scores}


def load(model: str, precision: str | None = None) -> Language:
    """The pipeline of that name, or a blank one with that model and the tokenizer of the packages.

    precision (str | None): numeric precision of the component; None: as the pipeline has it, or 'auto'.
    """
    if measured.pipeline_folder(model):
        return load_pipeline(model, precision=precision)
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    nlp.add_pipe("craft_ner", config={"model": {"name": model, "precision": precision or "auto"}})
    return nlp


def predict(nlp: Language, path: Path, keep_tokens: bool) -> list[Example]:
    """One Example for each article of a ``.spacy`` file.

    keep_tokens (bool): whether the predicted Doc has the tokens of the reference, not those of the pipeline.
    """
    examples = []
    references = list(DocBin().from_disk(path).get_docs(nlp.vocab))
    for reference in tqdm(references, desc=str(path), unit="article"):
        if keep_tokens:
            spaces = [bool(token.whitespace_) for token in reference]
            doc = Doc(nlp.vocab, words=[token.text for token in reference], spaces=spaces)
        else:
            doc = nlp.make_doc(reference.text)
        examples.append(Example(nlp(doc), reference))
    return examples


def as_markdown(report: dict[str, Any]) -> str:
    """Tables of all figures, in percent except for the loss."""
    parts = [f"# {report['model']}"]
    for split, measures in report["splits"].items():
        words, articles = measures["corpus_words"], measures["raw_articles"]
        parts += [f"## {split}", *_scores(report["model"], split, words, articles), *_errors(words)]
        parts += _thresholds(words)
    return page(*parts, measured.measured_on(report))


def _scores(model: str, split: str, words: dict[str, Any], articles: dict[str, Any]) -> list[str]:
    """Scores of the model and published ones, in all and by label."""
    models = [(model, words)]
    models += [(f"[{other.name}]({other.url})", other.figures) for other in PUBLISHED.get(split, [])]
    cells = [
        [name, *(f"{figures[key]:.4f}" if key in figures else "" for key in COLUMNS)]
        for name, figures in models
    ]
    pieces = ", ".join(f"{key} {figure:.4f}" for key, figure in words["over_wordpieces"].items())
    low, high = map(percent, words["f1_interval"])
    raw_low, raw_high = map(percent, articles["f1_interval"])
    by_label = []
    for label, figures in [*words["per_label"].items(), ("all", words)]:
        raw = articles if label == "all" else articles["per_label"].get(label, {})
        by_label.append([label, *(percent(source.get(key)) for source in (figures, raw) for key in PRF)])
    by_label.append(["macro", "", "", percent(words["macro_f1"]), "", "", ""])
    return [
        "Over the words of the corpus (`seqeval`, strict), with the figures that others published:",
        table(["model", *COLUMNS], cells),
        f"Over wordpieces, each with the tag of its word: {pieces}.",
        f"95% bootstrap interval of F1 over articles: {low} to {high}. On raw articles, where first and last "
        f"character have to be exact, F1 is {percent(articles['f1'])} ({raw_low} to {raw_high}).",
        table(["label", "P", "R", "F1", "raw P", "raw R", "raw F1"], by_label),
    ]


def _errors(words: dict[str, Any]) -> list[str]:
    """Classes of errors, and the confusion table."""
    errors = [[label, *(row[name] for name in ERROR_CLASSES)] for label, row in words["errors"].items()]
    tag_of_label = {label: tag for tag, label in LABEL_OF_CORPUS_TAG.items()}
    confusion = [[tag_of_label.get(gold, gold), *row.values()] for gold, row in words["label_table"].items()]
    return [
        "Errors over the words of the corpus, by label of the gold entity:",
        table(["label", *ERROR_CLASSES], errors),
        "Words by the corpus's tag (rows) and by the predicted label (columns):",
        table(["tag", *next(iter(words["label_table"].values()))], confusion),
    ]


def _thresholds(words: dict[str, Any]) -> list[str]:
    """Calibration, and the scores by threshold."""
    rows = [
        [f"{row['threshold']:.2f}", *(percent(row[key]) for key in PRF)] for row in words["thresholds"][::2]
    ]
    return [
        f"The expected calibration error of the scores is {percent(words['calibration']['error'])}. "
        "By `threshold`:",
        table(["threshold", "P", "R", "F1"], rows),
    ]


if __name__ == "__main__":
    typer.run(main)
