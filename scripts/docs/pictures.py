"""Pictures for the docs: the demo's page, a report and spaCy's web visualizer, as Chromium shows them."""

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

import demo
import srsly
import typer
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from wasabi import msg

from craftner_spacy.data.report import report
from craftner_spacy.processing.annotate import annotate

sys.path.insert(1, str(Path(__file__).parents[1] / "recipe"))
import assemble

PROJECT = Path(__file__).resolve().parents[2]
TIMEOUT = 120
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
    # The light color scheme.
    "--blink-settings=preferredColorScheme=1",
    # A page can reach no other host than this machine.
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
    """Write OUT/demo.png, OUT/report.png and OUT/visualizer.png, all with the demo's made-up abstract."""
    # The demo would annotate this text, too.
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
            # The page fades in.
            time.sleep(1)
            take(driver, out / "visualizer.png", height=700)


@contextmanager
def browser() -> Iterator[Chrome]:
    """A Chromium without window and network, with its driver.

    RAISES: FileNotFoundError if there is no Chromium or no chromedriver.
    """
    options = ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in FLAGS:
        options.add_argument(flag)
    with Chrome(options, Service(program("chromedriver"))) as driver:
        yield driver


def program(*names: str) -> str:
    """The path of the first of some programs that is installed.

    RAISES: FileNotFoundError if none is.
    """
    for path in map(shutil.which, names):
        if path:
            return path
    raise FileNotFoundError(
        f"{names[0]} is not installed, or not on the path (Debian: apt-get install chromium chromium-driver)"
    )


@contextmanager
def visualizer(folder: Path) -> Iterator[str]:
    """Serve the visualizer with the small pipeline, by the project's command, in a new folder.

    YIELDS: its address.
    RAISES: TimeoutError if the command ends, or does not serve.
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
    """Wait until a process serves an address.

    RAISES: TimeoutError if it ends, or does not serve in time.
    """
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(address):
                return
        except URLError:
            time.sleep(0.2)
    raise TimeoutError(f"{address}: nothing is served there; its output is above")


def wait_for_marks(driver: Chrome, text: str) -> list[list[str]]:
    """Wait until the visualizer shows an entity with this text.

    RETURNS: text and background color of all entities.
    RAISES: TimeoutException (of selenium) if it does not in time.
    """

    def marks(page: Chrome) -> list[list[str]]:
        # In one script, which waits until the page is complete: it may be drawn again between two commands.
        entities: list[list[str]] = page.execute_script(MARKS)
        return entities if any(text in mark for mark, _ in entities) else []

    return WebDriverWait(driver, TIMEOUT).until(marks)


def take(driver: Chrome, path: Path, height: int | None = None) -> None:
    """Take a picture of the page.

    height (int | None): in pixels; None: the whole page.
    """
    show(driver, WIDTH, height or 100)
    show(driver, WIDTH, height or driver.execute_script("return document.documentElement.scrollHeight"))
    # With 256 colors the file has a third of the size, and looks the same.
    Image.open(BytesIO(driver.get_screenshot_as_png())).convert("RGB").quantize(256).save(path, optimize=True)
    msg.good(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def show(driver: Chrome, width: int, height: int) -> None:
    """Set the size of the page, in pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


if __name__ == "__main__":
    typer.run(main)
