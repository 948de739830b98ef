"""Pictures of the docs: the demo's page, a report and spaCy's web visualiser, as Chromium shows them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.error import URLError
from urllib.request import urlopen

import assemble
import demo
import srsly
import typer
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from wasabi import msg

from craftner_spacy.annotation import annotate
from craftner_spacy.report import report

PROJECT = Path(__file__).resolve().parent.parent
PATIENCE = 120
WIDTH = 900
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
    # Light.
    "--blink-settings=preferredColorScheme=1",
    # Whatever a page asks for, no host is found but this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

MARKS = """
  const running = document.querySelector('[data-testid="stStatusWidget"]')
    || !document.querySelector("textarea")?.value;
  const marks = running ? [] : [...document.querySelectorAll("mark")];
  return marks.map(e => [e.innerText, getComputedStyle(e).backgroundColor]);
"""


def main(
    out: Annotated[Path, typer.Argument(help="the folder to write to", exists=True, file_okay=False)],
) -> None:
    """Write OUT/demo.png, OUT/report.png and OUT/visualizer.png, all of the demo's made-up abstract."""
    # The abstract alone.
    os.environ.pop("TEXT", None)
    with TemporaryDirectory() as name, browser() as driver:
        folder = Path(name)
        demo.main(page=folder / "demo.html")
        driver.get((folder / "demo.html").as_uri())
        take(driver, out / "demo.png")
        srsly.write_jsonl(folder / "in.jsonl", [{"id": "made-up abstract", "text": demo.ABSTRACT}])
        annotate(folder / "in.jsonl", folder / "abstract.jsonl", progress=True)
        report(folder / "abstract.jsonl", folder / "report.html")
        driver.get((folder / "report.html").as_uri())
        take(driver, out / "report.png")
        with visualizer(folder) as address:
            driver.get(address)
            wait_for_marks(driver, "spermatocytes")
            # What is there fades in.
            time.sleep(1)
            take(driver, out / "visualizer.png", height=700)


@contextmanager
def browser() -> Iterator[Chrome]:
    """Chromium without a window or a network, to be driven.

    RAISES: FileNotFoundError if there is no Chromium or no chromedriver.
    """
    options = ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in FLAGS:
        options.add_argument(flag)
    with Chrome(options, Service(program("chromedriver"))) as driver:
        yield driver


def program(*names: str) -> str:
    """The path of the first of some programs that is there."""
    path = next((found for found in map(shutil.which, names) if found), None)
    if path is None:
        raise FileNotFoundError(
            f"there is no {names[0]} on the path (Debian: apt-get install chromium chromium-driver)"
        )
    return path


@contextmanager
def visualizer(folder: Path) -> Iterator[str]:
    """The address of the visualiser that the project's command serves from a folder with the small pipeline.

    RAISES: TimeoutError if the command ends or serves nothing.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shutil.copyfile(PROJECT / "project.yml", folder / "project.yml")
    (folder / "scripts").symlink_to(PROJECT / "scripts")
    (folder / "training").mkdir()
    assemble.main("small", folder / "training" / "craft_ner_sm", package_name="craft_ner_sm", version="0")
    command = [sys.executable, "-m", "spacy", "project", "run", "visualize-model", str(folder)]
    environment = {**os.environ, "STREAMLIT_SERVER_PORT": str(port)}
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/_stcore/health", process)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(address):
                return
        except URLError:
            time.sleep(0.2)
    raise TimeoutError(f"{address}: nothing is served there; see above")


def wait_for_marks(driver: Chrome, text: str) -> list[list[str]]:
    """Text and background of the entities that the visualiser shows, once this text is among them.

    RAISES: selenium's TimeoutException if it never is.
    """

    def marks(page: Chrome) -> list[list[str]]:
        # At once, since the page may draw them anew between two looks; and not before it is done.
        found: list[list[str]] = page.execute_script(MARKS)
        return found if any(text in mark for mark, _ in found) else []

    return WebDriverWait(driver, PATIENCE).until(marks)


def take(driver: Chrome, path: Path, height: int | None = None) -> None:
    """A picture of the page; height: in pixels; None: all of it."""
    show(driver, WIDTH, height or 100)
    show(driver, WIDTH, height or driver.execute_script("return document.documentElement.scrollHeight"))
    # 256 colours take a third of the room, and no one sees the difference.
    Image.open(BytesIO(driver.get_screenshot_as_png())).convert("RGB").quantize(256).save(path, optimize=True)
    msg.good(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def show(driver: Chrome, width: int, height: int) -> None:
    """Give the page this much room, in pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


if __name__ == "__main__":
    typer.run(main)
