"""What an English model finds in Spanish: sentences of our own in both languages, by exact characters."""

from pathlib import Path
from typing import Annotated, Any

import measured
import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from craftner_spacy.evaluation import character_scores
from craftner_spacy.splitting import split_tokens

LANGUAGES = {"es": "Spanish", "en": "English"}


def main(
    model: Annotated[str, typer.Argument(help="'small', 'biobert', a hub id, a folder with a model")],
    data: Annotated[Path, typer.Argument(help="JSON Lines: lang, text, entities", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/spanish"),
) -> None:
    """Measure MODEL on the Spanish and the English sentences of DATA, which say the same."""
    rows = list(srsly.read_jsonl(data))
    report: dict[str, Any] = {
        "model": model,
        **measured.environment(),
        "languages": {
            lang: measure(model, lang, [row for row in rows if row["lang"] == lang]) for lang in LANGUAGES
        },
    }
    measured.write(out, report, as_markdown)


def measure(model: str, lang: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of one language's sentences, with spaCy's blank pipeline of that language."""
    nlp = spacy.blank(lang)
    nlp.add_pipe("craft_ner", config={"model": {"name": model}, "alignment_mode": "split"})
    references = [reference(nlp, row) for row in rows]
    examples = [Example(nlp(doc.text), doc) for doc in references]
    return {"texts": len(rows), "entities": sum(len(doc.ents) for doc in references)} | character_scores(
        examples
    )


def reference(nlp: Language, row: dict[str, Any]) -> Doc:
    """A Doc with the sentence's own entities, its tokens cut where these begin and end."""
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
    lines = [
        f"# Spanish ({report['model']})",
        "",
        "Short sentences of our own in Spanish, and the same in English, annotated as CRAFT is. Most of the "
        "English mentions are frequent in CRAFT's training split, so English is easy here: it shows what is "
        "lost with the language, not how good the model is. An entity counts if its label, first and last "
        "character are right. In percent; a small set.",
        "",
        "| language | sentences | entities | P | R | F1 | " + " | ".join(f"F1 {x}" for x in labels) + " |",
        "|---" * (6 + len(labels)) + "|",
    ]
    for lang, scores in languages.items():
        figures = [scores["precision"], scores["recall"], scores["f1"]]
        figures += [scores["per_label"].get(label, {"f1": 0.0})["f1"] for label in labels]
        cells = " | ".join(f"{100 * figure:.1f}" for figure in figures)
        lines.append(f"| {LANGUAGES[lang]} | {scores['texts']} | {scores['entities']} | {cells} |")
    where = f"Measured on {report['machine']}; {measured.listed_versions(report)}"
    return "\n".join([*lines, "", where]) + "\n"


if __name__ == "__main__":
    typer.run(main)
