"""Print the entities that a pipeline finds in texts: one by one, then by `nlp.pipe`, as JSON.

    python tests/programs/find_entities.py MODEL TEXT... [--n-process N] [--start-method spawn] ...

For tests of worker processes, which need a program that is a file: `spawn` imports it anew.
"""

import json
import multiprocessing
from typing import Annotated

import torch
import typer
from no_network import attempts, refuse_network
from spacy.tokens import Doc

from craftner_spacy.pipelines import load_pipeline


def main(
    model: Annotated[str, typer.Argument(help="a pipeline's folder or a model")],
    texts: Annotated[list[str], typer.Argument()],
    precision: Annotated[str | None, typer.Option(help="of inference; as the pipeline has it")] = None,
    n_process: Annotated[int, typer.Option(help="of nlp.pipe")] = 1,
    batch_size: Annotated[int, typer.Option(help="of nlp.pipe")] = 1,
    start_method: Annotated[str | None, typer.Option(help="of processes; the system's")] = None,
    threads: Annotated[int, typer.Option(help="of torch, in this process")] = 1,
    network: Annotated[bool, typer.Option(help="whether hosts can be reached")] = True,
) -> None:
    """Print {"single": ..., "piped": ..., "attempts": ...}; an entity is its start, end, text and label."""
    if not network:
        refuse_network()
    if start_method is not None:
        multiprocessing.set_start_method(start_method)
    torch.set_num_threads(threads)
    nlp = load_pipeline(model, precision=precision)
    # First in this process, which its workers then inherit from.
    single = [entities(nlp(text)) for text in texts]
    piped = [entities(doc) for doc in nlp.pipe(texts, n_process=n_process, batch_size=batch_size)]
    print(json.dumps({"single": single, "piped": piped, "attempts": attempts}))


def entities(doc: Doc) -> list[tuple[int, int, str, str]]:
    return [(ent.start_char, ent.end_char, ent.text, ent.label_) for ent in doc.ents]


if __name__ == "__main__":
    typer.run(main)
