"""Reading a knowledge base: what it answers, and which files it refuses."""

import os
import pickle
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.knowledge_base import KnowledgeBase, NameMatch
from craftner_spacy.linking.schema import APPLICATION_ID, SCHEMA_VERSION, Concept


def test_find_by_each_kind_of_key(kb: KnowledgeBase) -> None:
    [match] = kb.find("Cell", "neuron", "exact")
    assert match == NameMatch("X:1", "neuron", None, "neuron", "name", 0, "exact")
    [match] = kb.find("Cell", "2 fiber muscl type", "words")
    assert (match.id, match.kind) == ("X:3", "words")
    [match] = kb.find("Cell", "brain", "loose")
    assert (match.id, match.text, match.scope, match.kind) == ("X:1", "brain cell", "broad", "loose")
    assert kb.find("Cell", "brain", "words") == []
    assert kb.find("Cell", "", "exact") == []
    assert kb.find("Taxon", "neuron", "exact") == []


def test_names_that_were_seen_most_often_come_first(kb: KnowledgeBase) -> None:
    assert [(m.id, m.frequency, m.scope) for m in kb.find("Cell", "fibre", "exact")] == [
        ("X:3", 3, "mention"),
        ("X:1", 1, "mention"),
    ]


def test_concepts_by_their_ids(kb: KnowledgeBase) -> None:
    assert kb.concepts("X:1") == [("Cell", "X:1", "neuron", "own")]
    assert kb.concepts("X:30") == [("Cell", "X:3", "muscle fibre type II", "alternative")]
    assert kb.concepts("Y:3") == [("Cell", "X:3", "muscle fibre type II", "xref")]
    assert kb.concepts("Z:0") == []


def test_names_of_a_concept(kb: KnowledgeBase) -> None:
    assert kb.names("Cell", "X:1") == [
        ("neurones", "mention", 4),
        ("NCs", "mention", 1),
        ("fibres", "mention", 1),
        ("neuron", "name", 0),
        ("nerve cell", "exact", 0),
        ("brain cell", "broad", 0),
    ]
    assert kb.names("Taxon", "X:1") == []


def test_labels_and_meta(kb: KnowledgeBase) -> None:
    assert [tuple(row) for row in kb.labels()] == [
        ("Cell", 3, 10, 9),
        ("Protein", 2, 2, 0),
        ("Taxon", 2, 3, 0),
    ]
    assert kb.meta() == {"sources": ["our own"]}


def test_lookup_has_each_name_once_the_strictest_key_first(kb: KnowledgeBase) -> None:
    found = kb.lookup("type 2 muscle fibers", "Cell")
    assert [(m.id, m.text, m.kind) for m in found] == [("X:3", "muscle fibre type II", "words")]
    found = kb.lookup("fibre", "Cell")
    assert [(m.id, m.kind) for m in found] == [("X:3", "exact"), ("X:1", "exact")]
    assert len({(m.id, m.text) for m in kb.lookup("neuron", "Cell")}) == len(kb.lookup("neuron", "Cell"))


def test_all_that_is_in_it_can_be_read(kb: KnowledgeBase) -> None:
    concepts = dict((concept.id, concept) for _, concept in kb.all_concepts())
    assert concepts["X:1"].name == "neuron"
    assert concepts["X:1"].synonyms == (("nerve cell", "exact"), ("brain cell", "broad"))
    assert concepts["X:3"].other_ids == (("X:30", "alternative"), ("Y:3", "xref"))
    assert concepts["P:2"].taxon == "T:2"
    seen = {(label, m.text, m.id, m.frequency) for label, m in kb.all_mentions()}
    assert seen == {
        ("Cell", "neurones", "X:1", 4),
        ("Cell", "fibres", "X:3", 3),
        ("Cell", "fibres", "X:1", 1),
        ("Cell", "NCs", "X:1", 1),
    }


def test_each_thread_has_a_connection(kb: KnowledgeBase) -> None:
    barrier = threading.Barrier(4)

    def ask() -> tuple[int, int]:
        barrier.wait()
        return len(kb.find("Cell", "neuron", "exact")), id(kb._connection())

    with ThreadPoolExecutor(4) as pool:
        answers = [job.result() for job in [pool.submit(ask) for _ in range(4)]]
    assert [n for n, _ in answers] == [1] * 4
    assert len({connection for _, connection in answers}) == 4


def test_a_forked_process_opens_the_file_anew(kb: KnowledgeBase) -> None:
    kb.labels()
    mine = id(kb._connection())

    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def ask() -> None:
        sender.send((len(kb.find("Cell", "neuron", "exact")), id(kb._connection()), os.getpid()))

    process = context.Process(target=ask)
    process.start()
    n_found, theirs, pid = receiver.recv()
    process.join()
    assert (n_found, pid != os.getpid()) == (1, True)
    assert theirs != mine
    assert len(kb.find("Cell", "neuron", "exact")) == 1


def test_copies_have_the_path_alone(kb: KnowledgeBase) -> None:
    kb.labels()
    data = pickle.dumps(kb)
    assert len(data) < 500
    assert pickle.loads(data).labels() == kb.labels()


def test_it_opens_again_after_close(kb: KnowledgeBase) -> None:
    kb.labels()
    kb.close()
    kb.close()
    assert kb.find("Cell", "neuron", "exact")


def test_it_cannot_be_written(kb: KnowledgeBase, kb_path: Path) -> None:
    before = kb_path.read_bytes()
    with pytest.raises(sqlite3.OperationalError, match=r"readonly|read-only|query_only"):
        kb._connection().execute("DELETE FROM name")
    assert kb_path.read_bytes() == before


def test_a_path_with_odd_characters(kb_path: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a b?c#d%20é.sqlite"
    shutil.copy(kb_path, odd)
    assert KnowledgeBase(odd).labels()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"kb = '.*none.sqlite': there is no such file; allowed are"):
        KnowledgeBase(tmp_path / "none.sqlite")
    with pytest.raises(FileNotFoundError, match="no such file"):
        KnowledgeBase(tmp_path)


@pytest.mark.parametrize("content", [b"", b"id\tname\n", b"SQLite format 3\0", b"\x80\x04K\x01." * 100])
def test_no_sqlite_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"kb = .* is no SQLite file: build it anew"):
        KnowledgeBase(path)


def test_another_sqlite_file(tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE name (text)")
    connection.close()
    with pytest.raises(ValueError, match="is an SQLite file, but no knowledge base"):
        KnowledgeBase(path)


@pytest.mark.parametrize("n_bytes", [4096, 10_000, -1])
def test_a_torn_file(n_bytes: int, kb_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite"
    path.write_bytes(kb_path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"is torn: it has \d+ of \d+ bytes; build it anew"):
        KnowledgeBase(path)


def _with_pragma(kb_path: Path, tmp_path: Path, *statements: str) -> Path:
    path = tmp_path / "kb.sqlite"
    shutil.copy(kb_path, path)
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


def test_a_file_of_another_version(kb_path: Path, tmp_path: Path) -> None:
    later = _with_pragma(kb_path, tmp_path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(ValueError, match=r"schema version 2, of a later craftner_spacy; this one reads 1"):
        KnowledgeBase(later)
    earlier = _with_pragma(kb_path, tmp_path, "PRAGMA user_version = 0")
    with pytest.raises(ValueError, match="schema version 0; this craftner_spacy reads 1: build it anew"):
        KnowledgeBase(earlier)


def test_a_file_that_lacks_a_table(kb_path: Path, tmp_path: Path) -> None:
    path = _with_pragma(kb_path, tmp_path, "DROP TABLE name_key", "VACUUM")
    with pytest.raises(ValueError, match="lacks the table name_key"):
        KnowledgeBase(path).labels()


def test_a_view_is_no_table(kb_path: Path, tmp_path: Path) -> None:
    path = _with_pragma(
        kb_path, tmp_path, "DROP TABLE meta", "CREATE VIEW meta AS SELECT 'a' AS key, '1' AS value", "VACUUM"
    )
    with pytest.raises(ValueError, match="lacks the table meta"):
        KnowledgeBase(path).meta()


def test_a_file_runs_nothing(kb_path: Path, tmp_path: Path) -> None:
    view = "CREATE VIEW evil AS SELECT load_extension('evil')"
    trigger = "CREATE TRIGGER evil_too AFTER INSERT ON meta BEGIN SELECT load_extension('evil'); END"
    kb = KnowledgeBase(_with_pragma(kb_path, tmp_path, view, trigger, "VACUUM"))
    assert kb.meta() == KnowledgeBase(kb_path).meta()
    with pytest.raises(sqlite3.OperationalError, match=r"unsafe use of|not authorized"):
        kb._connection().execute("SELECT * FROM evil")
    with pytest.raises(sqlite3.OperationalError, match="not authorized"):
        kb._connection().execute("SELECT load_extension('evil')")


def test_a_damaged_page(kb_path: Path, tmp_path: Path) -> None:
    content = bytearray(kb_path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path = tmp_path / "kb.sqlite"
    path.write_bytes(content)
    kb = KnowledgeBase(path)
    with pytest.raises(ValueError, match=r"kb = .* is damaged \("):
        kb.find("Cell", "neuron", "exact")
    with pytest.raises(ValueError, match=r"kb = .* is damaged \("):
        list(kb.all_concepts())


def test_a_damaged_schema(kb_path: Path, tmp_path: Path) -> None:
    content = bytearray(kb_path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path = tmp_path / "kb.sqlite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"kb = .* is damaged \("):
        KnowledgeBase(path).labels()


def test_the_header_names_the_kind_of_file(kb_path: Path) -> None:
    assert kb_path.read_bytes()[68:72] == APPLICATION_ID.to_bytes(4, "big") == b"CRKB"


def test_a_look_up_takes_as_many_steps_in_a_large_knowledge_base(tmp_path: Path) -> None:
    steps = []
    for n in (100, 10_000):
        path = tmp_path / f"{n}.sqlite"
        build(path, (("A", Concept(f"X:{i}", f"thing number {i}")) for i in range(n)))
        kb = KnowledgeBase(path)
        kb.labels()
        counted: list[int] = []
        # SQLite calls it at each step of a query.
        kb._connection().set_progress_handler(lambda counted=counted: counted.append(1), 1)  # type: ignore[misc]
        assert [match.id for match in kb.find("A", "thingnumber7", "exact")] == ["X:7"]
        assert kb.find("A", "nothing", "exact") == []
        steps.append(len(counted))
    assert 0 < steps[1] <= steps[0] * 2
