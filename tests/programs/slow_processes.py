"""Annotate with N processes that never finish their first batch; the ids of all processes are printed.

python tests/programs/slow_processes.py PIPELINE SOURCE OUT N
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from craftner_spacy.__main__ import app


@Language.factory("sleeper")
def make_sleeper(nlp: Language, name: str) -> Callable[[Doc], Doc]:
    """A component that prints the id of its process at a document, and sleeps."""

    def sleep(doc: Doc) -> Doc:
        # In one piece: two processes write to one pipe.
        os.write(1, f"{os.getpid()}\n".encode())
        time.sleep(300)
        return doc

    return sleep


def main(pipeline: str, source: str, out: Path, n_process: str) -> None:
    """Run the command `annotate` with the pipeline and the component."""
    nlp = spacy.load(pipeline)
    nlp.add_pipe("sleeper", first=True)
    model = out.with_name("sleeper")
    nlp.to_disk(model)
    app(["annotate", source, "-o", str(out), "--model", str(model), "--n-process", n_process])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
