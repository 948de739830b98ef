"""How entities fit the tokens of raw articles: each alignment mode with spaCy's tokenizer and with ours."""

import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import measured
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from tqdm import tqdm

from craftner_spacy.alignment import ALIGNMENT_MODES
from craftner_spacy.annotation import component_of
from craftner_spacy.evaluation import character_scores

TOKENIZERS = {"spaCy's": "spacy.Tokenizer.v1", "craftner_spacy's": "craftner_spacy.tokenizer.v1"}
ROUNDS = 3


def main(
    model: Annotated[str, typer.Argument(help="'small', 'biobert', a hub id, a folder with a model")],
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/alignment"),
    splits: Annotated[str, typer.Option(help="comma-separated")] = "devel,test",
) -> None:
    """Measure MODEL on the true articles of CORPUS: exact character F1, entities without a place, tokens."""
    pipelines = {name: make_pipeline(model, tokenizer) for name, tokenizer in TOKENIZERS.items()}
    report: dict[str, Any] = {
        "model": model,
        **measured.environment(),
        "splits": {},
    }
    for split in splits.split(","):
        references = list(DocBin().from_disk(corpus / f"{split}.spacy").get_docs(spacy.blank("en").vocab))
        # The model reads wordpieces, whatever the tokens: it is asked once for both tokenizers.
        first = next(iter(pipelines.values()))
        docs = [first.make_doc(reference.text) for reference in references]
        found = [component_of(first).predict([doc])[0] for doc in tqdm(docs, desc=split, unit="article")]
        n_spacy = sum(map(len, docs))
        report["splits"][split] = {
            name: {
                **unplaced_gold(nlp, references),
                "modes": {mode: measure(nlp, mode, references, found, n_spacy) for mode in ALIGNMENT_MODES},
            }
            for name, nlp in pipelines.items()
        }
    texts = [reference.text for reference in references]
    report["seconds_per_million_characters"] = tokenizing_times(texts)
    measured.write(out, report, as_markdown)


def make_pipeline(model: str, tokenizer: str) -> Language:
    """A blank English pipeline with the registered tokenizer and a `craft_ner`."""
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": tokenizer}}})
    nlp.add_pipe("craft_ner", config={"model": {"name": model}})
    return nlp


def unplaced_gold(nlp: Language, references: list[Doc]) -> dict[str, float]:
    """Gold entities, and the share of them whose borders are no token borders."""
    n_gold = n_unplaced = 0
    for reference in references:
        doc = nlp.make_doc(reference.text)
        starts = {token.idx for token in doc}
        ends = {token.idx + len(token) for token in doc}
        n_gold += len(reference.ents)
        n_unplaced += sum(e.start_char not in starts or e.end_char not in ends for e in reference.ents)
    return {"gold": n_gold, "gold_unplaced": n_unplaced, "gold_unplaced_share": n_unplaced / n_gold}


def measure(
    nlp: Language, mode: str, references: list[Doc], found: list[Any], n_spacy: int
) -> dict[str, Any]:
    """Place what the model found in one mode, and score it."""
    component = component_of(nlp)
    component.alignment_mode = mode
    examples = []
    n_tokens = n_unplaced = n_inexact = 0
    for reference, entities in zip(references, found, strict=True):
        doc = nlp.make_doc(reference.text)
        component.set_annotations([doc], [entities])
        group = doc.spans["craft_ner"]
        offsets = [[span.start_char, span.end_char] for span in group]
        n_inexact += sum(a != b for a, b in zip(offsets, group.attrs["offsets"], strict=True))
        n_unplaced += len(group.attrs["unplaced"])
        n_tokens += len(doc)
        examples.append(Example(doc, reference))
    scores = character_scores(examples)
    return {
        "precision": scores["precision"],
        "recall": scores["recall"],
        "f1": scores["f1"],
        "predicted": sum(map(len, found)),
        "predicted_unplaced": n_unplaced,
        "predicted_on_other_characters": n_inexact,
        "tokens": n_tokens,
        "tokens_added": n_tokens / n_spacy - 1,
    }


def tokenizing_times(texts: list[str]) -> dict[str, float]:
    """The least time of some rounds, each with a new tokenizer whose cache is empty, rounds interleaved."""
    best = dict.fromkeys(TOKENIZERS, float("inf"))
    for _ in range(ROUNDS):
        for name, tokenizer in TOKENIZERS.items():
            nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": tokenizer}}})
            start = time.process_time()
            for text in texts:
                nlp.tokenizer(text)
            best[name] = min(best[name], time.process_time() - start)
    return {name: 1e6 * seconds / sum(map(len, texts)) for name, seconds in best.items()}


def as_markdown(report: dict[str, Any]) -> str:
    """A table for each split, in percent, and the tokenizers' speed."""
    lines = [f"# How entities fit the tokens ({report['model']})", ""]
    lines += [
        "Raw articles, as a user has them. F1 counts an entity whose first and last character and label are "
        "the corpus's. *Not placed*: predicted entities that the mode finds no tokens for; *on other "
        "characters*: those whose tokens are more or fewer characters than the model found. *Tokens* are "
        "compared with spaCy's tokenizer alone.",
        "",
    ]
    for split, tokenizers in report["splits"].items():
        lines += [f"## {split}", ""]
        for name, row in tokenizers.items():
            lines.append(
                f"- {name} tokenizer: {row['gold_unplaced']} of {row['gold']} gold entities "
                f"({100 * row['gold_unplaced_share']:.2f}%) begin or end inside a token."
            )
        lines += [
            "",
            "| tokenizer | mode | P | R | F1 | predicted | not placed | on other characters | tokens |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for name, row in tokenizers.items():
            for mode, found in row["modes"].items():
                figures = " | ".join(f"{100 * found[key]:.2f}" for key in ("precision", "recall", "f1"))
                counts = " | ".join(
                    str(found[key])
                    for key in ("predicted", "predicted_unplaced", "predicted_on_other_characters")
                )
                lines.append(
                    f"| {name} | {mode} | {figures} | {counts} | {100 * found['tokens_added']:+.2f}% |"
                )
        lines.append("")
    times = report["seconds_per_million_characters"]
    lines += [
        "Seconds of one processor for a million characters, caches empty: "
        + ", ".join(f"{name} {seconds:.2f}" for name, seconds in times.items())
        + ".",
        "",
        f"Measured on {report['machine']}; " + measured.listed_versions(report),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    # What does not fit is counted here.
    warnings.filterwarnings("ignore", message=".*do not fit the tokens")
    typer.run(main)
