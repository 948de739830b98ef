"""Download from the hub by `huggingface_hub`, for tests of the tests' own hub.

    python tests/programs/download.py REPOSITORY REVISION [--file NAME] [--no-network]

Without a file: all small and large files of a commit, and an error ends the program. With a file: where the
hub lacks it, the names of the error and its base classes are printed.
"""

from pathlib import Path
from typing import Annotated

import no_network
import typer
from huggingface_hub import errors, hf_hub_download, snapshot_download

MISSING = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError)


def main(
    repository: str,
    revision: str,
    file: Annotated[str | None, typer.Option(help="download this file alone")] = None,
    network: Annotated[bool, typer.Option(help="whether hosts can be reached")] = True,
) -> None:
    if not network:
        no_network.refuse_network()
    if file is not None:
        try:
            print(Path(hf_hub_download(repository, file, revision=revision)).name)
        except MISSING as err:
            print(*(base.__name__ for base in type(err).__mro__))
    else:
        patterns = ["*.json", "*.bin"]
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
        print(
            folder.name, *sorted(path.name for path in folder.iterdir()), (folder / "config.json").read_text()
        )
    assert no_network.attempts == [], no_network.attempts


if __name__ == "__main__":
    typer.run(main)
