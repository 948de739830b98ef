"""The report page of the demo's made-up abstract, and what a browser shows of it: a picture for the docs."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import srsly
import typer
from demo import ABSTRACT
from wasabi import msg

from craftner_spacy.annotation import annotate
from craftner_spacy.report import report

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # Whatever a page asks for, no host is found.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def main(
    out: Annotated[Path, typer.Argument(help="the picture, a .png")],
    width: int = 900,
    height: int = 1480,
    dark: bool = False,
) -> None:
    """Annotate the abstract, make its page, and take a picture of it with Chromium."""
    with TemporaryDirectory() as folder:
        texts, entities, page = (Path(folder) / name for name in ("in.jsonl", "abstract.jsonl", "page.html"))
        srsly.write_jsonl(texts, [{"id": "made-up abstract", "text": ABSTRACT}])
        annotate(texts, entities, progress=True)
        report(entities, page)
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        chromium(page, f"--screenshot={out.resolve()}", f"--window-size={width},{height}", scheme)
    msg.good(f"{out}")


def chromium(page: Path, *arguments: str) -> str:
    """Open a page in Chromium without a window or a network; what it prints.

    RAISES: FileNotFoundError if there is no Chromium; subprocess.CalledProcessError if it fails.
    """
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        raise FileNotFoundError("there is no chromium on the path (Debian: apt-get install chromium)")
    with TemporaryDirectory() as profile:
        command = [binary, *FLAGS, f"--user-data-dir={profile}", *arguments, page.resolve().as_uri()]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


if __name__ == "__main__":
    typer.run(main)
