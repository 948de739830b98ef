"""How a model works on corpora of others, with other guidelines: on documents that `reserved` chooses.

`outside_corpora` leaves these documents out of the training data. `auxiliary_corpora` does not: a model that
was trained on its files has read a part of them.
"""

import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import measured
import typer
from published import PUBLISHED_OUTSIDE
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tables import page, percent, table
from tqdm import tqdm

sys.path.insert(1, str(Path(__file__).parents[1] / "recipe"))
from annotated_texts import AnnotatedText, read_pubtator
from ensemble import Ensemble, parse_model
from reserved import read_held_out, reserved

Span = tuple[int, int]


class LabelPair(NamedTuple):
    """A label of an outside corpus, and our label that means nearly the same.

    corpus (str): the file, without suffix.
    label, ours (str): the corpus's label and ours.
    neutral (tuple[str, ...]): labels of the corpus for what may be ours or not, such as families of genes. A
        predicted entity that overlaps one of them, and no entity of `label`, is not counted.
    has_precision (bool): whether the corpus annotates all that our label means. If not (`protein` and `mRNA`
        are chemicals in CRAFT), only recall is shown.
    """

    corpus: str
    label: str
    ours: str
    neutral: tuple[str, ...] = ()
    has_precision: bool = True


FAMILIES = ("FamilyName", "DomainMotif")
PAIRS = (
    LabelPair("GNormPlus_Test", "Gene", "Protein", FAMILIES),
    LabelPair("GNormPlus_Train", "Gene", "Protein", FAMILIES),
    LabelPair("NLMgene_Train", "Gene", "Protein", FAMILIES),
    LabelPair("BioRED_TrainDev", "Gene", "Protein"),
    LabelPair("SPECIES_Test", "Species", "Taxon", has_precision=False),
    LabelPair("SPECIES_Train", "Species", "Taxon", has_precision=False),
    LabelPair("BioRED_TrainDev", "Chemical", "Chemical", has_precision=False),
    LabelPair("NLMchem_Test", "Chemical", "Chemical", has_precision=False),
    LabelPair("BC5CDR_TrainDev", "Chemical", "Chemical", has_precision=False),
    LabelPair("NLMgene_Train", "Cell", "Cell", has_precision=False),
)
PRF = ("precision", "recall", "f1")
MATCHES = ("exact", "overlap")


def main(
    corpora: Annotated[Path, typer.Argument(help="folder with NAME.PubTator and held-out.txt", exists=True)],
    models: Annotated[list[str], typer.Argument(help="MODEL, or the mean of several: MODEL=WEIGHT")],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/outside"),
    part: Annotated[str, typer.Option(help="dev, to choose by, or test, to report")] = "test",
) -> None:
    """Measure MODELS, together, on the documents of CORPORA that are reserved for it."""
    if part not in ("dev", "test"):
        raise typer.BadParameter(f"part = {part!r}: allowed are dev and test")
    report = {**ensemble_origin(models), "part": part, "pairs": measure(models, corpora, part)}
    measured.write(out, report, parse_model(models[0])[0], as_markdown)


def measure(models: Sequence[str], corpora: Path, part: str) -> list[dict[str, Any]]:
    """A row for each of `PAIRS` of which the part has documents: the fields of the pair, and scores.

    models: their names, as `Ensemble` reads them.
    """
    ensemble, held_out = Ensemble(models), read_held_out(corpora)
    texts = {
        name: reserved(name, read_pubtator(corpora / f"{name}.PubTator"), held_out, part)
        for name in dict.fromkeys(pair.corpus for pair in PAIRS)
    }
    predicted = {name: predict(ensemble, of_file) for name, of_file in tqdm(texts.items(), unit="corpus")}
    return [
        {
            **pair._asdict(),
            "documents": len({text.id for text in texts[pair.corpus]}),
            **score(
                pair, texts[pair.corpus], [spans.get(pair.ours, set()) for spans in predicted[pair.corpus]]
            ),
        }
        for pair in PAIRS
        if texts[pair.corpus]
    ]


def ensemble_origin(models: Sequence[str]) -> dict[str, Any]:
    """The fields `model` and `weights` of a report. For several models the digest is one of all digests."""
    digests = [measured.weights_digest(parse_model(model)[0]) for model in models]
    whole = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return {"model": " + ".join(models), "weights": digests[0] if len(digests) == 1 else whole}


def predict(ensemble: Ensemble, texts: Sequence[AnnotatedText]) -> list[dict[str, set[Span]]]:
    """For each text start and end of the predicted entities in characters, by label."""
    vocab = Vocab()
    predicted = []
    for entities in ensemble.predict(Doc(vocab, [text.text]) for text in texts):
        by_label: dict[str, set[Span]] = {}
        for entity in entities:
            by_label.setdefault(entity.label, set()).add((entity.start, entity.end))
        predicted.append(by_label)
    return predicted


def score(pair: LabelPair, texts: Sequence[AnnotatedText], predicted: Sequence[set[Span]]) -> dict[str, Any]:
    """Scores by exact start and end, and by overlap.

    By overlap, an entity is correct if it overlaps one of the other side.

    predicted: entities of our label in each text, in characters.
    """
    counts = {match: [0, 0] for match in MATCHES}
    n_predicted = n_gold = 0
    for text, spans in zip(texts, predicted, strict=True):
        gold = {(e.start, e.end) for e in text.entities if e.label == pair.label}
        neutral = {(e.start, e.end) for e in text.entities if e.label in pair.neutral}
        counted = {span for span in spans if overlaps(span, gold) or not overlaps(span, neutral)}
        n_predicted += len(counted)
        n_gold += len(gold)
        for side in (0, 1):
            counts["exact"][side] += len(gold & counted)
        counts["overlap"][0] += sum(overlaps(span, gold) for span in counted)
        counts["overlap"][1] += sum(overlaps(span, counted) for span in gold)
    scores = {
        match: precision_recall_f1(correct, n_predicted, recalled, n_gold)
        for match, (correct, recalled) in counts.items()
    }
    return {"entities": n_gold, **scores}


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    """Whether a span shares a character with one of the others.

    >>> overlaps((2, 5), [(0, 2), (4, 6)]), overlaps((2, 5), [(5, 6)])
    (True, False)
    """
    return any(span[0] < end and start < span[1] for start, end in others)


def precision_recall_f1(correct: int, n_predicted: int, recalled: int, n_gold: int) -> dict[str, float]:
    """Precision, recall, and their harmonic mean; 0 where there is nothing to count.

    correct, recalled (int): correct ones of the predicted entities, and of the gold entities.

    >>> precision_recall_f1(1, 2, 1, 4)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333}
    """
    precision, recall = correct / max(1, n_predicted), recalled / max(1, n_gold)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def as_markdown(report: dict[str, Any]) -> str:
    """A row for each pair of labels, in percent."""
    header = ["corpus", "its label", "ours", "documents", "entities"]
    header += [f"{match} {name}" for match in MATCHES for name in ("P", "R", "F1")]
    rows = []
    for row in report["pairs"]:
        shown = PRF if row["has_precision"] else ("recall",)
        figures = [row[match][key] if key in shown else None for match in MATCHES for key in PRF]
        described = [row[key] for key in ("corpus", "label", "ours", "documents", "entities")]
        rows.append([*described, *map(percent, figures)])
    return page(
        f"# Outside corpora ({report['model']}, {report['part']})",
        "Documents of corpora of others, annotated by other guidelines than CRAFT's. The command "
        "`outside-corpora` leaves them out of its training data. The command `auxiliary-corpora`, of the "
        "recipe of the small model, does not: a part of them, such as those of BC5CDR, is in its training "
        "data.",
        "Exact: first and last character have to be those of the corpus; overlap: one shared character is "
        "enough. In percent. Only recall is shown where the corpus does not annotate all that our label "
        "means. A predicted entity that overlaps only a family of genes or a domain is not counted.",
        table(header, rows),
        "For comparison, F1 that others published, on other documents and with training data of the same "
        "guidelines:",
        table(
            ["model", "corpus", "entities", "F1"],
            [
                [f"[{row.name}]({row.url})", row.corpus, row.entities, percent(row.f1)]
                for row in PUBLISHED_OUTSIDE
            ],
        ),
        measured.measured_on(report),
    )


if __name__ == "__main__":
    typer.run(main)
