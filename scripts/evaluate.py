"""Measure a model on the corpus's own words and on the true articles: a JSON file, and its tables."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import measured
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import is_package
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from craftner_spacy.annotation import component_of, load_pipeline
from craftner_spacy.evaluation import (
    ERROR_CLASSES,
    calibration_error,
    character_scores,
    error_classes,
    f1_interval,
    label_table,
    reliability,
    scored_entities,
    scores_by_threshold,
    seqeval_scores,
)
from craftner_spacy.labels import LABEL_OF_CORPUS_TAG
from craftner_spacy.model import shim_of

COLUMNS = ("loss", "precision", "recall", "f1", "accuracy")
THRESHOLDS = [i / 20 for i in range(20)]
HUB = "https://huggingface.co/StivenLancheros"
# What others published for the same labels and the same split.
PUBLISHED: dict[str, list[tuple[str, str, dict[str, float]]]] = {
    "devel": [
        (
            "BioBERT v1.2, AugmentedTransfer_EN (`biobert`)",
            f"{HUB}/biobert-base-cased-v1.2-finetuned-ner-CRAFT_AugmentedTransfer_EN",
            {"loss": 0.2213, "precision": 0.8528, "recall": 0.8617, "f1": 0.8572, "accuracy": 0.9709},
        ),
        (
            "BioBERT v1.2, CRAFT_English",
            f"{HUB}/biobert-base-cased-v1.2-finetuned-ner-CRAFT_English",
            {"f1": 0.8604, "accuracy": 0.9724},
        ),
        ("scispaCy 0.5.3, en_ner_craft_md", "https://github.com/allenai/scispacy", {"f1": 0.797}),
    ],
    "test": [
        ("scispaCy 0.5.4, en_ner_craft_md", "https://allenai.github.io/scispacy", {"f1": 0.780}),
    ],
}


def main(
    model: Annotated[
        str,
        typer.Argument(help="'small', 'biobert', a hub id, a folder with a model or a pipeline, a package"),
    ],
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/small"),
    splits: Annotated[str, typer.Option(help="comma-separated")] = "devel,test",
) -> None:
    """Evaluate MODEL on CORPUS. The network is asked only for a model of the hub."""
    nlp = load(model)
    component = component_of(nlp)
    report: dict[str, Any] = {
        "model": f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"
        if is_pipeline(model)
        else model,
        **measured.environment(),
        "splits": {},
    }
    for split in splits.split(","):
        words = predict(nlp, corpus / "iob" / f"{split}.spacy", keep_tokens=True)
        articles = predict(nlp, corpus / f"{split}.spacy", keep_tokens=False)
        scored = scored_entities(words)
        report["splits"][split] = {
            "corpus_words": {
                "loss": component.score(words)["ents_loss"],
                **seqeval_scores(words),
                "over_wordpieces": over_wordpieces(words, shim_of(component.model)._hfmodel.tokenizer),
                "f1_interval": f1_interval(words),
                "errors": error_classes(words),
                "label_table": label_table(words),
                "calibration": {"error": calibration_error(scored), "bins": reliability(scored)},
                "thresholds": scores_by_threshold(scored, THRESHOLDS),
            },
            "raw_articles": {**character_scores(articles), "f1_interval": f1_interval(articles)},
        }
    measured.write(out, report, as_markdown)


def over_wordpieces(examples: list[Example], tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """The card's figures as if each wordpiece of this model's tokenizer had its word's tag: the card does not
    say whether it scored words or wordpieces."""
    scores = seqeval_scores(examples, lambda text: max(1, len(tokenizer.tokenize(text))))
    return {key: scores[key] for key in COLUMNS if key in scores}


def is_pipeline(model: str) -> bool:
    """Whether the name is that of a pipeline, not of a model alone."""
    return is_package(model) or (Path(model) / "meta.json").is_file()


def load(model: str, precision: str | None = None) -> Language:
    """The pipeline of that name, or one with a `craft_ner` of that model and the packages' tokenizer.

    precision: of the component; None: as the pipeline has it, or 'auto'.
    """
    if is_pipeline(model):
        return load_pipeline(model, precision=precision)
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    nlp.add_pipe("craft_ner", config={"model": {"name": model, "precision": precision or "auto"}})
    return nlp


def predict(nlp: Language, path: Path, keep_tokens: bool) -> list[Example]:
    """One Example for each article; `keep_tokens`: predict on the reference's tokens, not our own."""
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
    """Tables of all figures, in percent but for the loss."""
    lines = [f"# {report['model']}", ""]
    for split, scores in report["splits"].items():
        words, articles = scores["corpus_words"], scores["raw_articles"]
        lines += [
            f"## {split}",
            "",
            "Over the corpus's words (`seqeval`, strict), and what others published:",
            "",
        ]
        rows = [_model_row(report["model"], words)]
        rows += [_model_row(f"[{name}]({url})", row) for name, url, row in PUBLISHED.get(split, [])]
        lines += _table(["model", *COLUMNS], rows)
        pieces = ", ".join(f"{key} {figure:.4f}" for key, figure in words["over_wordpieces"].items())
        lines += [f"Over wordpieces, each with its word's tag: {pieces}.", ""]
        low, high = words["f1_interval"]
        raw_low, raw_high = articles["f1_interval"]
        lines += [
            f"95% interval of F1 over articles: {_percent(low)} to {_percent(high)}; on raw articles, exact "
            f"characters, F1 is {_percent(articles['f1'])} ({_percent(raw_low)} to {_percent(raw_high)}).",
            "",
        ]
        rows = []
        for label, figures in [*words["per_label"].items(), ("all", words)]:
            raw = articles if label == "all" else articles["per_label"].get(label, {})
            cells = [source.get(key) for source in (figures, raw) for key in ("precision", "recall", "f1")]
            rows.append([label, *map(_percent, cells)])
        rows.append(["macro", "", "", _percent(words["macro_f1"]), "", "", ""])
        lines += _table(["label", "P", "R", "F1", "raw P", "raw R", "raw F1"], rows)
        lines += ["Errors over the corpus's words, by the gold entity's label:", ""]
        rows = [
            [label, *(str(row[kind]) for kind in ERROR_CLASSES)] for label, row in words["errors"].items()
        ]
        lines += _table(["label", *ERROR_CLASSES], rows)
        lines += ["Words by the corpus's tag (rows) and by the label predicted (columns):", ""]
        tag_of = {label: tag for tag, label in LABEL_OF_CORPUS_TAG.items()}
        rows = [
            [tag_of.get(gold, gold), *map(str, row.values())] for gold, row in words["label_table"].items()
        ]
        lines += _table(["tag", *next(iter(words["label_table"].values()))], rows)
        lines += [
            f"Scores: expected calibration error {_percent(words['calibration']['error'])}. "
            "What is left at a threshold:",
            "",
        ]
        rows = [
            [f"{row['threshold']:.2f}", *(_percent(row[key]) for key in ("precision", "recall", "f1"))]
            for row in words["thresholds"][::2]
        ]
        lines += _table(["threshold", "P", "R", "F1"], rows)
    lines.append(f"Measured on {report['machine']}; " + measured.listed_versions(report))
    return "\n".join(lines) + "\n"


def _model_row(name: str, figures: dict[str, float]) -> list[str]:
    return [name, *(f"{figures[key]:.4f}" if key in figures else "" for key in COLUMNS)]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    header = list(header)
    lines = ["| " + " | ".join(cells) + " |" for cells in [header, *rows]]
    return [lines[0], "|" + "---|" * len(header), *lines[1:], ""]


if __name__ == "__main__":
    typer.run(main)
