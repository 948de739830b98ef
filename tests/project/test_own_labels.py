"""The page about labels of one's own: its commands, from an annotated file to a packaged pipeline."""

import re
import shlex
from pathlib import Path

import pytest
import spacy
from command_runner import CliRunner
from spacy.cli._util import app as spacy_app

from craftner_spacy.__main__ import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "own_labels.md"
SENTENCES = [
    "the kinase/B-Enzyme in mouse/B-Animal brain",
    "in mouse/B-Animal kinase/B-Enzyme was expressed",
    "we were in the blood",
    "the stem/B-Tissue cells/I-Tissue of yeast/B-Animal with receptor/B-Enzyme",
]
QUICK = (
    "--training.max_steps 151 --training.eval_frequency 75 --training.logger.progress_bar false "
    "--training.optimizer.learn_rate.initial_rate 0.003 --training.optimizer.learn_rate.warmup_steps 10 "
    "--training.optimizer.learn_rate.total_steps 1676"
).split()


# spaCy's command leaves the files open that it writes into the package.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_the_commands_lead_to_a_package_that_finds_the_labels(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[object]
) -> None:
    lines = []
    for sentence in SENTENCES:
        words = [word.partition("/") for word in sentence.split()]
        lines += [*(f"{word} {tag or 'O'}" for word, _, tag in words), ""]
    for name in ("train.iob", "dev.iob"):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf8")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```shell\n(.*?)^```$", PAGE.read_text(encoding="utf8"), flags=re.S | re.M)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) == 9
    for program, *arguments in commands:
        if program == "pip":
            assert arguments == ["install", "build"]
            continue
        if program == "mkdir":
            Path(*arguments).mkdir()
            continue
        if program == "python":
            assert arguments[:2] == ["-m", "spacy"]
            arguments = arguments[2:]
        # A tiny model in place of the shipped one, few steps, and no wheel.
        arguments = [str(tiny_encoder) if word == "small" else word for word in arguments]
        arguments = ["none" if word == "wheel" else word for word in arguments]
        arguments += QUICK if arguments[0] == "train" else []
        done = CliRunner().invoke(app if program == "craftner_spacy" else spacy_app, arguments)
        # spaCy calls so few sentences an error.
        assert done.exit_code == (arguments[0] == "debug"), (arguments, done.output, done.exception)
    package = tmp_path / "packages" / "en_own_labels-0.1.0" / "en_own_labels"
    nlp = spacy.load(package / "en_own_labels-0.1.0")
    assert nlp.get_pipe("craft_ner").labels == ("Animal", "Enzyme", "Tissue")
    # All of it at once, as the examples of so few sentences are.
    text = "\n".join(re.sub(r"/\S+", "", sentence) for sentence in SENTENCES)
    assert [(ent.text, ent.label_) for ent in nlp(text).ents] == [
        ("kinase", "Enzyme"),
        ("mouse", "Animal"),
        ("mouse", "Animal"),
        ("kinase", "Enzyme"),
        ("stem cells", "Tissue"),
        ("yeast", "Animal"),
        ("receptor", "Enzyme"),
    ]
    assert not no_network
