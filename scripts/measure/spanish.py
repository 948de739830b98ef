"""How an English model works on Spanish: sentences written for this project, in both languages."""

from pathlib import Path
from typing import Annotated, Any

import measured
import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from tables import page, percent, table

from craftner_spacy.evaluation.scorers import character_scores
from craftner_spacy.splitting import split_tokens

LANGUAGES = {"es": "Spanish", "en": "English"}


def main(
    model: Annotated[str, typer.Argument(help="'small', 'biobert', a hub id, a folder with a model")],
    data: Annotated[Path, typer.Argument(help="JSON Lines: lang, text, entities", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/spanish"),
) -> None:
    """Measure MODEL on the Spanish sentences of DATA and on their English translations."""
    rows = list(srsly.read_jsonl(data))
    by_language = {
        lang: measure(model, lang, [row for row in rows if row["lang"] == lang]) for lang in LANGUAGES
    }
    measured.write(out, {"languages": by_language}, model, as_markdown)


def measure(model: str, lang: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one language's sentences, with spaCy's blank pipeline of that language."""
    nlp = spacy.blank(lang)
    nlp.add_pipe("craft_ner", config={"model": {"name": model}, "alignment_mode": "split"})
    references = [make_reference(nlp, row) for row in rows]
    examples = [Example(nlp(doc.text), doc) for doc in references]
    counts = {"texts": len(rows), "entities": sum(len(doc.ents) for doc in references)}
    return counts | character_scores(examples)


def make_reference(nlp: Language, row: dict[str, Any]) -> Doc:
    """A Doc with the gold entities of a sentence. Its tokens are split where these begin and end."""
    doc = nlp.make_doc(row["text"])
    split_tokens(doc, [edge for ent in row["entities"] for edge in (ent["start"], ent["end"])])
    for ent in row["entities"]:
        span = doc.char_span(ent["start"], ent["end"], label=ent["label"])
        assert span is not None
        doc.set_ents([span], default="unmodified")
    return doc


def as_markdown(report: dict[str, Any]) -> str:
    """A row for each language, in percent, and F1 by label."""
    languages = report["languages"]
    labels = sorted({label for scores in languages.values() for label in scores["per_label"]})
    rows = [
        [
            LANGUAGES[lang],
            scores["texts"],
            scores["entities"],
            *(percent(scores[key]) for key in ("precision", "recall", "f1")),
            *(percent(scores["per_label"].get(label, {"f1": 0.0})["f1"]) for label in labels),
        ]
        for lang, scores in languages.items()
    ]
    return page(
        f"# Spanish ({report['model']})",
        "Short Spanish sentences that were written for this project, and their English translations, "
        "annotated in the style of CRAFT. Most of the English mentions are frequent in CRAFT's training "
        "split, so the English sentences are easy: the difference shows the effect of the language, and the "
        "English figures do not show how good the model is. Label, first and last character of an entity "
        "have to be exact. In percent; the set is small.",
        table(
            ["language", "sentences", "entities", "P", "R", "F1", *(f"F1 {label}" for label in labels)], rows
        ),
        measured.measured_on(report),
    )


if __name__ == "__main__":
    typer.run(main)
