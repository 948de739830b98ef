"""Measure a pipeline on the corpus's own words and on the true articles: metrics/evaluate.json and .md."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from tqdm import tqdm

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.evaluation import character_scores, seqeval_scores

COLUMNS = ("loss", "precision", "recall", "f1", "accuracy")


def main(pipeline: str, corpus: Path, out: Path = Path("metrics"), splits: str = "devel,test") -> None:
    """Evaluate PIPELINE, a folder or an installed package, on CORPUS, the folder that convert wrote.

    splits: comma-separated names of the splits to measure.
    """
    nlp = spacy.load(pipeline)
    component = nlp.get_pipe("craft_ner")
    if not isinstance(component, CraftNER):
        raise typer.BadParameter(f"the component 'craft_ner' of {pipeline} is not of craftner_spacy")
    report: dict[str, Any] = {
        "pipeline": f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("spacy", "transformers", "torch", "craftner_spacy")},
        "splits": {},
    }
    for split in splits.split(","):
        words = predict(nlp, corpus / "iob" / f"{split}.spacy", keep_tokens=True)
        articles = predict(nlp, corpus / f"{split}.spacy", keep_tokens=False)
        loss = component.score(words)["ents_loss"]
        report["splits"][split] = {
            "corpus_words": {"loss": loss, **seqeval_scores(words)},
            "raw_articles": character_scores(articles),
        }
    out.mkdir(parents=True, exist_ok=True)
    srsly.write_json(out / "evaluate.json", report)
    (out / "evaluate.md").write_text(as_markdown(report), encoding="utf8")
    print(as_markdown(report))


def predict(nlp: Language, path: Path, keep_tokens: bool) -> list[Example]:
    """One Example for each article; `keep_tokens`: predict on the reference's tokens, not on spaCy's."""
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
    lines = [f"# {report['pipeline']}", ""]
    for split, scores in report["splits"].items():
        words, articles = scores["corpus_words"], scores["raw_articles"]
        lines += [f"## {split}", "", "Corpus words (seqeval, strict):", ""]
        lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
        lines += ["| " + " | ".join(f"{words[column]:.4f}" for column in COLUMNS) + " |", ""]
        lines += ["| label | words P | words R | words F1 | articles P | articles R | articles F1 |"]
        lines += ["|" + "---|" * 7]
        for label, figures in [*words["per_label"].items(), ("all", words)]:
            raw = articles if label == "all" else articles["per_label"].get(label, {})
            cells = [
                source.get(key, 0.0) for source in (figures, raw) for key in ("precision", "recall", "f1")
            ]
            lines.append(f"| {label} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + " |")
        lines.append("")
    lines.append(
        f"Measured on {report['machine']}; " + ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
