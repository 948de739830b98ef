"""Long runs: `make soak` runs this after the property tests with many examples. Linux only (/proc, fork)."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import spacy
from spacy.language import Language
from tiny_models import WORDS, make_tiny_model

N_WARM = 5_000
N_DOCS = 20_000
ALLOWED = 0.05
"""The share by which memory may grow between the first 5,000 and all 20,000 abstracts."""


def abstracts(n: int) -> Iterator[str]:
    """Short abstracts from a small vocabulary: spaCy stores new words, which would look like a leak."""
    random = Random(0)
    for _ in range(n):
        yield " ".join(random.choices(WORDS, k=random.randint(5, 120))) + "."


def peak(who: int) -> float:
    """Peak memory of this process, or of its largest child so far, in MB."""
    return resource.getrusage(who).ru_maxrss / 1024


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def annotate(nlp: Language, n: int, n_process: int) -> None:
    """Send n abstracts through the pipeline and count the annotated documents."""
    done = sum(1 for doc in nlp.pipe(abstracts(n), n_process=n_process) if "craft_ner" in doc.spans)
    if done != n:
        sys.exit(f"soak: {done} of {n} documents came back")


def check(nlp: Language, n_process: int) -> None:
    """Compare memory and handles after some abstracts and after many."""
    who = resource.RUSAGE_SELF if n_process == 1 else resource.RUSAGE_CHILDREN
    start = time.monotonic()
    annotate(nlp, N_WARM, n_process)
    memory, files = peak(who), handles()
    annotate(nlp, N_DOCS, n_process)
    added, opened = peak(who) - memory, handles() - files
    print(
        f"soak: n_process={n_process}: {N_DOCS:,} abstracts, {added:+.1f} MB on {memory:.0f} MB, "
        f"{opened:+d} handles, {time.monotonic() - start:.0f} s"
    )
    if added > ALLOWED * memory or opened > 0:
        sys.exit(f"soak: allowed are {ALLOWED:.0%} and no handle")


def main() -> None:
    with TemporaryDirectory() as folder:
        nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
        model = {"name": str(make_tiny_model(Path(folder))), "precision": "fp32"}
        nlp.add_pipe("craft_ner", config={"model": model})
        # The children are measured first: a fork starts with the memory of its parent.
        check(nlp, n_process=2)
        check(nlp, n_process=1)


if __name__ == "__main__":
    main()
