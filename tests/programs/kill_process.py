"""Annotate with two processes, one of which is killed (-9) at a text, the first time that it gets there.

python tests/programs/kill_process.py PIPELINE SOURCE OUT TEXT MARK
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc

from craftner_spacy.__main__ import app


@Language.factory("killer")
def make_killer(nlp: Language, name: str, text: str, mark: str) -> Callable[[Doc], Doc]:
    """A component that removes the file `mark` at a document with this text, and kills its process."""

    def kill(doc: Doc) -> Doc:
        if doc.text == text and os.path.exists(mark):
            os.unlink(mark)
            os.kill(os.getpid(), signal.SIGKILL)
        return doc

    return kill


def main(pipeline: Path, source: Path, out: Path, text: str, mark: Path) -> None:
    """Run the command `annotate` with the pipeline and the component; no file `mark`, no kill."""
    nlp = spacy.load(pipeline)
    nlp.add_pipe("killer", first=True, config={"text": text, "mark": str(mark)})
    model = out.with_name("killer")
    nlp.to_disk(model)
    app(["annotate", str(source), "-o", str(out), "--model", str(model), "--n-process", "2"])


if __name__ == "__main__":
    typer.run(main)
