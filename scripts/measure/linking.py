"""How often the linker's first candidate is right: by label, with each rule, and end to end.

    python scripts/recipe/package_names.py --all NAMES_DIR
    python scripts/recipe/linking_table.py assets/craft-iob assets/craft NAMES_DIR --out large.sqlite
    python scripts/measure/linking.py assets/craft-iob assets/craft metrics/linking --large large.sqlite

Gold are CRAFT's concept annotations; parts of a discontinuous one are joined by a blank. The large knowledge
base has all names of GO's components, ChEBI and NCBI Taxonomy that the packages have. The test split is
measured with `--test` alone, for the configuration that was chosen on devel.
"""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import measured
import spacy
import typer
from linking_page import LABELS, Labelled, as_markdown
from spacy.tokens import Doc

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.candidates import MATCHES, PRECISION, SOURCES, Candidate, NameFinder
from craftner_spacy.linking.document import Mention, link_document
from craftner_spacy.linking.knowledge_base import BUNDLED, KnowledgeBase
from craftner_spacy.linking.ontologies import read_ontology
from craftner_spacy.linking.schema import Concept, SeenMention
from craftner_spacy.training.corpus import read_articles, read_iob
from craftner_spacy.training.knowtator import ConceptAnnotation, read_concept_annotations
from craftner_spacy.training.projection import project


class Article(NamedTuple):
    """An article with its gold annotations."""

    pmid: str
    text: str
    annotations: list[ConceptAnnotation]


class Outcome(NamedTuple):
    """What became of one gold mention: its article, label and first candidate, and whether that is right."""

    pmid: str
    label: str
    best: Candidate | None
    is_correct: bool


def main(
    iob_dir: Path,
    craft_dir: Path,
    out: Path,
    large: Annotated[Path | None, typer.Option(help="a knowledge base with all names")] = None,
    test: Annotated[bool, typer.Option("--test", help="measure the test split too")] = False,
    end_to_end: Annotated[bool, typer.Option(help="run craft_ner, and link what it finds")] = True,
) -> None:
    """Measure, print tables and write OUT."""
    texts = read_articles(craft_dir / "articles")
    splits = {
        split: read_split(iob_dir / f"{split}.tsv", craft_dir / "concept-annotation", texts)
        for split in ("train", "devel", *(["test"] if test else []))
    }
    with TemporaryDirectory() as folder:
        core = Path(folder) / "core.sqlite"
        build(core, small_ontologies(craft_dir), seen_mentions(splits["train"]))
        finders = {"SO and CL": core, "bundled": BUNDLED}
        if large is not None:
            finders["all names"] = large
        result: dict[str, Any] = {}
        for split in splits.keys() - {"train"}:
            articles = splits[split]
            result[split] = {
                "mentions": Counter(gold.label for article in articles for gold in article.annotations),
                "configurations": configurations(articles, finders),
            }
            if split == "devel":
                result[split]["bounds"] = bounds(articles, splits["train"], KnowledgeBase(BUNDLED))
                result[split]["rules"] = gains(articles, NameFinder(KnowledgeBase(BUNDLED)))
                result[split]["calibration"] = calibrate(
                    link_gold(articles, NameFinder(KnowledgeBase(BUNDLED)))
                )
            if end_to_end:
                result[split]["end to end"] = link_predicted(articles)
    result["bundled"] = {"sha256": hashlib.sha256(BUNDLED.read_bytes()).hexdigest()}
    out.parent.mkdir(parents=True, exist_ok=True)
    measured.write(out, result, "small", as_markdown)


def read_split(path: Path, annotations_dir: Path, texts: dict[str, str]) -> list[Article]:
    """The articles of a split of CRAFT-IOB, with their concept annotations."""
    return [
        Article(
            article.pmid,
            article.text,
            list(read_concept_annotations(annotations_dir, article.pmid, article.text)),
        )
        for article in project(read_iob(path), texts)
    ]


def small_ontologies(craft_dir: Path) -> Iterator[tuple[str, Concept]]:
    """The concepts of SO and CL."""
    for label, prefix in (("Sequence", "SO"), ("Cell", "CL")):
        for concept in read_ontology(craft_dir / "ontologies" / f"{prefix}.obo.zip", prefix=prefix):
            yield label, concept


def seen_mentions(articles: Iterable[Article]) -> Iterator[tuple[str, SeenMention]]:
    """The mentions of annotated articles, with the names of their concepts."""
    for article in articles:
        for gold in article.annotations:
            yield gold.label, SeenMention(gold.text(article.text), gold.id, 1, gold.name)


def link_gold(
    articles: Iterable[Article], finder: NameFinder, rules: Sequence[str] = MATCHES
) -> list[Outcome]:
    """Link the gold mentions of each article."""
    outcomes = []
    for article in articles:
        mentions = [
            Mention(gold.text(article.text), gold.label, gold.spans[0][0]) for gold in article.annotations
        ]
        linked = link_document(article.text, mentions, finder, rules=rules)
        for gold, candidates in zip(article.annotations, linked, strict=True):
            best = candidates[0] if candidates else None
            outcomes.append(Outcome(article.pmid, gold.label, best, best is not None and best.id == gold.id))
    return outcomes


def accuracy(outcomes: Iterable[Outcome]) -> Labelled:
    """Share of the gold mentions whose first candidate is right, by label, in per cent."""
    n_all: Counter[str] = Counter()
    n_correct: Counter[str] = Counter()
    for outcome in outcomes:
        n_all[outcome.label] += 1
        n_correct[outcome.label] += outcome.is_correct
    return {label: round(100 * n_correct[label] / n_all[label], 2) for label in LABELS if n_all[label]}


def bounds(articles: list[Article], training: list[Article], kb: KnowledgeBase) -> dict[str, Labelled]:
    """Share of the gold mentions whose id is known at all, by label, in per cent."""
    known = {
        "id in the training articles": {(g.label, g.id) for article in training for g in article.annotations},
        "id in the bundled table": {(label, concept.id) for label, concept in kb.all_concepts()},
    }
    gold = [(g.label, g.id) for article in articles for g in article.annotations]
    n_all = Counter(label for label, _ in gold)
    rows = {}
    for name, ids in known.items():
        n_known = Counter(label for label, id_ in gold if (label, id_) in ids)
        rows[name] = {
            label: round(100 * n_known[label] / n_all[label], 2) for label in LABELS if n_all[label]
        }
    return rows


def configurations(articles: list[Article], files: dict[str, Path]) -> dict[str, Labelled]:
    """Accuracy of the training mentions alone, of names alone, and of both, with and without other rules."""
    core = KnowledgeBase(files["SO and CL"])
    measured = {
        "mentions, exact key": accuracy(link_gold(articles, NameFinder(core, ["mentions"]), ["exact"])),
        "mentions and names of SO and CL, exact key": accuracy(
            link_gold(articles, NameFinder(core), ["exact"])
        ),
        "mentions, all rules": accuracy(link_gold(articles, NameFinder(core, ["mentions"]))),
    }
    for name, path in files.items():
        kb = KnowledgeBase(path)
        measured[f"names alone, {name}"] = accuracy(link_gold(articles, NameFinder(kb, ["names"])))
        measured[f"mentions and names, {name}"] = accuracy(link_gold(articles, NameFinder(kb, SOURCES)))
    return measured


def gains(articles: list[Article], finder: NameFinder) -> dict[str, Labelled]:
    """What each rule adds to all the others, in points, and how often its first candidate is right."""
    whole = accuracy(link_gold(articles, finder))
    gained = {}
    for rule in MATCHES:
        without = accuracy(link_gold(articles, finder, [other for other in MATCHES if other != rule]))
        gained[rule] = {label: round(whole[label] - without[label], 2) for label in LABELS}
    return gained


def calibrate(outcomes: list[Outcome]) -> dict[str, Any]:
    """Each rule's precision, and how far scores are from it when an article's own mentions are left out.

    A precision is smoothed as if the rule had been right once more and wrong once more. The error is the mean
    distance between score and correctness in bins of a tenth, weighted by their mentions.
    """
    linked = [outcome for outcome in outcomes if outcome.best is not None]
    pairs = []
    for pmid in {outcome.pmid for outcome in linked}:
        precision = precisions(outcome for outcome in linked if outcome.pmid != pmid)
        for outcome in linked:
            if outcome.pmid == pmid and outcome.best is not None:
                share = outcome.best.score / PRECISION[outcome.best.match]
                pairs.append((precision[outcome.best.match] * share, outcome.is_correct))
    return {
        "precision": {rule: round(value, 3) for rule, value in precisions(linked).items()},
        "mentions": Counter(outcome.best.match for outcome in linked if outcome.best is not None),
        "expected calibration error": round(calibration_error(pairs), 4),
        "expected calibration error, as it is": round(
            calibration_error(
                [(outcome.best.score, outcome.is_correct) for outcome in linked if outcome.best is not None]
            ),
            4,
        ),
        "mean score": round(sum(score for score, _ in pairs) / len(pairs), 4),
        "correct": round(sum(is_correct for _, is_correct in pairs) / len(pairs), 4),
    }


def precisions(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """How often each rule's first candidate is right, as if once more right and once more wrong."""
    n_all: Counter[str] = Counter()
    n_correct: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.best is not None:
            n_all[outcome.best.match] += 1
            n_correct[outcome.best.match] += outcome.is_correct
    return {rule: (n_correct[rule] + 1) / (n_all[rule] + 2) for rule in MATCHES}


def calibration_error(pairs: Sequence[tuple[float, bool]], n_bins: int = 10) -> float:
    """Mean of |score - share of correct ones| over bins of equal width, weighted by their size."""
    bins: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for score, is_correct in pairs:
        bins[min(int(score * n_bins), n_bins - 1)].append((score, is_correct))
    return sum(abs(sum(s for s, _ in rows) - sum(c for _, c in rows)) for rows in bins.values()) / len(pairs)


def link_predicted(articles: list[Article]) -> dict[str, Any]:
    """Run craft_ner and craft_linker: precision, recall and F1 of span, label and id; and their times."""
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={"alignment_mode": "expand"})
    linker = nlp.add_pipe("craft_linker")
    texts = [article.text for article in articles]
    with nlp.select_pipes(enable=["craft_ner"]):
        list(nlp.pipe(texts[:1]))
        start = time.perf_counter()
        docs = list(nlp.pipe(texts))
        seconds_ner = time.perf_counter() - start
    start = time.perf_counter()
    docs = list(linker.pipe(docs))  # type: ignore[attr-defined]
    seconds_linker = time.perf_counter() - start
    n_gold: Counter[str] = Counter()
    n_predicted: Counter[str] = Counter()
    n_spans: Counter[str] = Counter()
    n_correct: Counter[str] = Counter()
    for article, doc in zip(articles, docs, strict=True):
        gold = {(gold.label, *gold.spans[0]): gold.id for gold in article.annotations if len(gold.spans) == 1}
        n_gold.update(label for label, _, _ in gold)
        for place, id_ in predicted_links(doc):
            n_predicted[place[0]] += 1
            n_spans[place[0]] += place in gold
            n_correct[place[0]] += gold.get(place) == id_
    return {
        "F1 of span and label": _f1(n_spans, n_predicted, n_gold),
        "F1 of span, label and id": _f1(n_correct, n_predicted, n_gold),
        "right ids of right spans": {
            label: round(100 * n_correct[label] / n_spans[label], 2) for label in LABELS if n_spans[label]
        },
        "seconds of craft_ner": round(seconds_ner, 2),
        "seconds of craft_linker": round(seconds_linker, 2),
        "words": sum(len(text.split()) for text in texts),
    }


def predicted_links(doc: Doc) -> Iterator[tuple[tuple[str, int, int], str]]:
    """Label, start and end in characters, and the best id or "", of each entity."""
    group = doc.spans["craft_ner"]
    rows = zip(group, group.attrs["offsets"], group.attrs["concepts"], strict=True)
    for span, (start, end), candidates in rows:
        yield (span.label_, start, end), candidates[0]["id"] if candidates else ""


def _f1(n_correct: Counter[str], n_predicted: Counter[str], n_gold: Counter[str]) -> Labelled:
    return {
        label: round(200 * n_correct[label] / (n_predicted[label] + n_gold[label]), 2)
        for label in LABELS
        if n_gold[label]
    }


if __name__ == "__main__":
    typer.run(main)
