"""Load models, one after the other, and print for each its labels and a score, or the error.

python tests/programs/load_models.py NAME[@REVISION]... [--no-network] [--file-bytes N] [--kernels]
"""

import resource
from typing import Annotated

import no_network
import spacy
import typer
from huggingface_hub import snapshot_download
from transformers import modeling_utils

from craftner_spacy.pipelines import get_component


def main(
    models: Annotated[list[str], typer.Argument(help="name and revision, as NAME@REVISION")],
    network: Annotated[bool, typer.Option(help="whether hosts can be reached")] = True,
    file_bytes: Annotated[int | None, typer.Option(help="the largest file, for the first model")] = None,
    kernels: Annotated[
        bool, typer.Option(help="whether code can be fetched as the package kernels does")
    ] = False,
) -> None:
    """Print a line a model and, without network, the number of attempts to reach it."""
    if not network:
        no_network.refuse_network()
    if kernels:
        modeling_utils.is_kernels_available = lambda: True
        modeling_utils.get_kernel = snapshot_download
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))
    for model in models:
        name, _, revision = model.partition("@")
        print(load(name, revision or "main"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if not network:
        print(len(no_network.attempts))


def load(name: str, revision: str) -> str:
    """The labels of a model and the first logit of the text "mouse", or the error's type and message.

    Making the component must not look for the model.
    """
    n_attempts = len(no_network.attempts)
    nlp = spacy.blank("en")
    config = {"name": name, "revision": revision, "precision": "fp32"}
    nlp.add_pipe("craft_ner", config={"model": config})
    assert len(no_network.attempts) == n_attempts, no_network.attempts
    try:
        doc = nlp("mouse")
    except (OSError, ValueError) as err:
        return f"{type(err).__name__}: {err}"
    component = get_component(nlp)
    [words] = component.model.predict([doc])
    return f"{' '.join(component.labels)} {round(float(words.logits[0, 0]), 3)}"


if __name__ == "__main__":
    typer.run(main)
