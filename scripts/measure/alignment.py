"""How entities fit the tokens of raw articles: each alignment mode, with spaCy's tokenizer and with ours."""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import measured
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from tables import page, percent, table
from tqdm import tqdm

from craftner_spacy.alignment import ALIGNMENT_MODES
from craftner_spacy.evaluation.scorers import character_scores
from craftner_spacy.pipelines import get_component
from craftner_spacy.types import Entity

TOKENIZERS = {"spaCy's": "spacy.Tokenizer.v1", "craftner_spacy's": "craftner_spacy.tokenizer.v1"}
ROUNDS = 3
HEADER = ("tokenizer", "mode", "P", "R", "F1", "predicted", "unplaced", "on other characters", "tokens")


def main(
    model: Annotated[str, typer.Argument(help="'small', 'biobert', a hub id, a folder with a model")],
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/alignment"),
    splits: Annotated[str, typer.Option(help="comma-separated")] = "devel,test",
) -> None:
    """Measure MODEL on the true articles of CORPUS: exact character F1, unplaced entities, tokens."""
    pipelines = {name: make_pipeline(model, tokenizer) for name, tokenizer in TOKENIZERS.items()}
    measures = {}
    for split in splits.split(","):
        references = list(DocBin().from_disk(corpus / f"{split}.spacy").get_docs(spacy.blank("en").vocab))
        # What the model predicts does not depend on the tokens: once is enough for both tokenizers.
        first = next(iter(pipelines.values()))
        docs = [first.make_doc(reference.text) for reference in references]
        entities = [get_component(first).predict([doc])[0] for doc in tqdm(docs, desc=split, unit="article")]
        n_spacy_tokens = sum(map(len, docs))
        measures[split] = {
            name: {
                **unplaced_gold(nlp, references),
                "modes": {
                    mode: measure(nlp, mode, references, entities, n_spacy_tokens) for mode in ALIGNMENT_MODES
                },
            }
            for name, nlp in pipelines.items()
        }
    texts = [reference.text for reference in references]
    report = {"splits": measures, "seconds_per_million_characters": tokenizing_times(texts)}
    measured.write(out, report, model, as_markdown)


def make_pipeline(model: str, tokenizer: str) -> Language:
    """A blank English pipeline with the registered tokenizer and a `craft_ner`."""
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": tokenizer}}})
    nlp.add_pipe("craft_ner", config={"model": {"name": model}})
    return nlp


def unplaced_gold(nlp: Language, references: list[Doc]) -> dict[str, float]:
    """The number of gold entities, and how many of them begin or end inside a token."""
    n_gold = n_unplaced = 0
    for reference in references:
        doc = nlp.make_doc(reference.text)
        starts = {token.idx for token in doc}
        ends = {token.idx + len(token) for token in doc}
        n_gold += len(reference.ents)
        n_unplaced += sum(e.start_char not in starts or e.end_char not in ends for e in reference.ents)
    return {"gold": n_gold, "gold_unplaced": n_unplaced, "gold_unplaced_share": n_unplaced / n_gold}


def measure(
    nlp: Language,
    mode: str,
    references: list[Doc],
    predicted: Sequence[Sequence[Entity]],
    n_spacy_tokens: int,
) -> dict[str, Any]:
    """Place the predicted entities of each document in one alignment mode, and score them."""
    component = get_component(nlp)
    component.alignment_mode = mode
    examples = []
    n_tokens = n_unplaced = n_inexact = 0
    for reference, entities in zip(references, predicted, strict=True):
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
        "predicted": sum(map(len, predicted)),
        "predicted_unplaced": n_unplaced,
        "predicted_on_other_characters": n_inexact,
        "tokens": n_tokens,
        "tokens_added": n_tokens / n_spacy_tokens - 1,
    }


def tokenizing_times(texts: list[str]) -> dict[str, float]:
    """Seconds for a million characters by tokenizer: the minimum of some rounds, in which they take turns.

    Each round has new tokenizers, whose caches are empty.
    """
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
    """A table for each split, in percent, and the speed of the tokenizers."""
    parts = [
        f"# How entities fit the tokens ({report['model']})",
        "Raw articles, with the tokens that a user gets. For F1, label, first and last character of an "
        "entity have to be those of the corpus. *Unplaced*: predicted entities that the mode finds no tokens "
        "for. *On other characters*: predicted entities whose tokens have more or fewer characters. "
        "*Tokens*: compared with the number of tokens of spaCy's tokenizer.",
    ]
    for split, tokenizers in report["splits"].items():
        gold = "\n".join(
            f"- {name} tokenizer: {row['gold_unplaced']} of {row['gold']} gold entities "
            f"({percent(row['gold_unplaced_share'], 2)}%) begin or end inside a token."
            for name, row in tokenizers.items()
        )
        rows = [
            [
                name,
                mode,
                *(percent(scores[key], 2) for key in ("precision", "recall", "f1")),
                scores["predicted"],
                scores["predicted_unplaced"],
                scores["predicted_on_other_characters"],
                f"{100 * scores['tokens_added']:+.2f}%",
            ]
            for name, row in tokenizers.items()
            for mode, scores in row["modes"].items()
        ]
        parts += [f"## {split}", gold, table(HEADER, rows)]
    times = ", ".join(
        f"{name} {seconds:.2f}" for name, seconds in report["seconds_per_million_characters"].items()
    )
    parts.append(f"CPU seconds for a million characters, with empty caches: {times}.")
    return page(*parts, measured.measured_on(report))


if __name__ == "__main__":
    # Entities that do not fit the tokens are counted here.
    warnings.filterwarnings("ignore", message=".*do not fit the tokens")
    typer.run(main)
