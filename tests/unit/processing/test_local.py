"""The engine of this machine: its batches and processes, and files that are damaged."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import spacy
from processes import run_program
from spacy.language import Language
from spacy.tokens import Doc
from tiny_records import read_lines, sentence, write_lines

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.data.records import Record
from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.local import Progress
from craftner_spacy.processing.settings import BATCH_RECORDS
from craftner_spacy.types import Entity


def mentions(path: Path) -> list[list[str]]:
    """The entities' texts of each record."""
    return [[entity["text"] for entity in row["entities"]] for row in read_lines(path)]


def test_two_processes_find_the_same(tmp_path: Path, nlp: Language, many: Path) -> None:
    annotate(many, tmp_path / "one.jsonl", nlp)
    annotate(many, tmp_path / "two.jsonl", nlp, n_process=2)
    assert mentions(tmp_path / "one.jsonl") == mentions(tmp_path / "two.jsonl")


def test_a_killed_process_is_an_error_and_the_same_command_continues(
    pipeline: Path, many: Path, tmp_path: Path, nlp: Language
) -> None:
    mark, out = tmp_path / "mark", tmp_path / "out.jsonl"
    mark.touch()
    arguments = (pipeline, many, out, sentence(4 * BATCH_RECORDS), mark)
    killed = run_program("kill_process.py", *arguments, check=False, timeout=100)
    assert killed.returncode == 1
    assert killed.stderr.splitlines()[-1].startswith("Error: a process of n_process = 2 was killed")
    assert "No shard was finished: repeat the command to start again" in killed.stderr
    assert not mark.exists()
    assert not out.exists()
    assert run_program("kill_process.py", *arguments, timeout=100).stdout.startswith(f"{out}: 323")
    annotate(many, tmp_path / "alone.jsonl", nlp)
    assert mentions(out) == mentions(tmp_path / "alone.jsonl")


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_record_that_an_error_handler_drops_is_an_error(
    n_process: int, tmp_path: Path, pipeline: Path, many: Path
) -> None:
    @Language.component("picky")
    def picky(doc: Doc) -> Doc:
        if doc.text == sentence(70):
            raise ValueError("not this one")
        return doc

    nlp = spacy.load(pipeline)
    nlp.add_pipe("picky", first=True)
    nlp.set_error_handler(lambda name, pipe, docs, err: None)
    with pytest.raises(ValueError, match=r"left out \d+ of the 64 records from id '64' on"):
        annotate(many, tmp_path / "out.jsonl", nlp, n_process=n_process)


def test_a_damaged_shard_is_an_error(stopped: Path, many: Path, nlp: Language) -> None:
    shard = stopped.with_name("out.jsonl.work") / "00001.jsonl"
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"00001.jsonl is damaged \(not JSON"):
        annotate(many, stopped, nlp, shard_characters=1)


def test_the_pipeline_gets_whole_batches(
    tmp_path: Path, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(
        tmp_path / "in.jsonl", ({"id": n, "text": sentence(n, 5)} for n in range(2 * BATCH_RECORDS + 3))
    )
    sizes = []
    predict = CraftNER.predict

    def counted(self: CraftNER, docs: Iterable[Doc]) -> list[list[Entity]]:
        batch = list(docs)
        sizes.append(len(batch))
        return predict(self, batch)

    monkeypatch.setattr(CraftNER, "predict", counted)
    annotate(source, tmp_path / "out.jsonl", nlp)
    assert sizes == [BATCH_RECORDS, BATCH_RECORDS, 3]


def test_the_bar_moves_within_a_batch_and_never_back(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=10, show=True)
    progress.bar.mininterval = 0
    progress.skip(2)
    progress.move_within(4, 0.3)
    assert progress.bar.n == 3.2
    progress.move_within(4, 0.2)
    assert progress.bar.n == 3.2
    progress.move_within(4, 1)
    for number in range(4):
        progress.count(Record(str(number), "a mouse", {}))
    assert (progress.bar.n, type(progress.bar.n)) == (6, int)
    progress.bar.close()
    assert "3.2/10" in capsys.readouterr().err
    assert (progress.stats.records, progress.stats.words) == (4, 8)


def test_annotate_shows_the_bar_while_it_is_in_a_batch(
    tmp_path: Path, pipeline: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = spacy.load(pipeline)
    nlp.get_pipe("craft_ner").model.attrs["batch_tokens"] = 20
    source = write_lines(tmp_path / "in.jsonl", ({"id": n, "text": sentence(n)} for n in range(10)))
    positions: list[float] = []
    monkeypatch.setattr(Progress, "move_to", lambda self, n: positions.append(n))
    annotate(source, tmp_path / "out.jsonl", nlp, progress=True)
    assert 0 < min(positions) < 5
    assert positions[-1] == 10
