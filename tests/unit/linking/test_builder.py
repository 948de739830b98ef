"""Making a knowledge base."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.knowledge_base import KnowledgeBase
from craftner_spacy.linking.names import MAX_NAME
from craftner_spacy.linking.schema import Concept, SeenMention

CONCEPTS = [
    ("Cell", Concept("X:1", "neuron", (("nerve cell", "exact"),), (("X:0", "alternative"),))),
    ("Taxon", Concept("T:1", "house mouse")),
    ("Protein", Concept("P:1", "Pax6", (), (), "T:1")),
]
MENTIONS = [("Cell", SeenMention("neurones", "X:1", 4)), ("Cell", SeenMention("glia", "X:2"))]


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build(tmp_path / name, CONCEPTS, MENTIONS, meta={"z": 1, "a": [2]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_was_read_from_one_builds_the_same(kb_path: Path, tmp_path: Path) -> None:
    kb = KnowledgeBase(kb_path)
    build(tmp_path / "again", kb.all_concepts(), kb.all_mentions(), meta=kb.meta())
    assert (tmp_path / "again").read_bytes() == kb_path.read_bytes()


def test_counts(tmp_path: Path) -> None:
    counts = build(
        tmp_path / "kb",
        [
            ("Cell", Concept("X:1", "neuron", (("Neurons", "exact"), ("x" * (MAX_NAME + 1), "exact")))),
            ("Cell", Concept("X:1", "neuron again")),
            ("Cell", Concept("X 2", "no id")),
            ("Cell", Concept("", "no id")),
            ("Cell", Concept("X:4", "-", ((" ", "exact"),))),
            ("Cell", Concept("X:1", other_ids=(("X:0", "replaced"),), name="")),
            ("Cell", Concept("X:9", other_ids=(("X:8", "replaced"),), name="")),
        ],
        [("Cell", SeenMention("neurons", "X:0", 2)), ("Cell", SeenMention("glia", "X:5", 3, "glial cell"))],
    )
    assert counts == {
        "concepts": 3,
        "names": 5,
        "mentions": 5,
        "duplicate ids": 1,
        "bad ids": 2,
        "long names": 1,
        "names without letters": 1,
        "ids replaced by unknown ones": 1,
    }
    kb = KnowledgeBase(tmp_path / "kb")
    assert kb.names("Cell", "X:1") == [("neuron", "name", 2), ("neuron again", "name", 0)]
    assert kb.concepts("X:0") == [("Cell", "X:1", "neuron", "replaced")]
    assert kb.names("Cell", "X:5") == [("glia", "mention", 3), ("glial cell", "name", 0)]


def test_names_of_10_kb_are_left_out_and_counted(tmp_path: Path) -> None:
    long = "neuron " * 1500
    concepts = [("Cell", Concept("X:1", "neuron", ((long, "exact"),))), ("Cell", Concept("X:2", long))]
    counts = build(tmp_path / "kb", concepts, [("Cell", SeenMention(long, "X:1"))])
    assert (counts["names"], counts["long names"], counts["mentions"]) == (1, 3, 0)
    assert KnowledgeBase(tmp_path / "kb").names("Cell", "X:1") == [("neuron", "name", 0)]


def test_a_concept_without_a_name_is_called_as_it_is_most_often(tmp_path: Path) -> None:
    mentions = [
        SeenMention("Big", "X:1", 2),
        SeenMention("big one", "X:1", 3),
        SeenMention("bigger", "X:1", 3),
    ]
    build(tmp_path / "kb", [], [("Size", mention) for mention in mentions])
    assert KnowledgeBase(tmp_path / "kb").concepts("X:1") == [("Size", "X:1", "big one", "own")]


def test_one_id_under_two_labels(tmp_path: Path) -> None:
    build(tmp_path / "kb", [("A", Concept("X:1", "one")), ("B", Concept("X:1", "two"))])
    kb = KnowledgeBase(tmp_path / "kb")
    assert sorted(kb.concepts("X:1")) == [("A", "X:1", "one", "own"), ("B", "X:1", "two", "own")]
    assert kb.find("A", "two", "exact") == []


def test_the_preferred_name_stands_for_its_variants(tmp_path: Path) -> None:
    build(tmp_path / "kb", [("A", Concept("X:1", "wild type", (("Wild-Type", "exact"),)))])
    assert KnowledgeBase(tmp_path / "kb").names("A", "X:1") == [("wild type", "name", 0)]


def test_a_later_record_brings_what_the_first_lacks(tmp_path: Path) -> None:
    records = [Concept("X:1", "", (("one", "exact"),)), Concept("X:1", "first", (), (), "T:1")]
    build(tmp_path / "kb", [("A", record) for record in records])
    [match] = KnowledgeBase(tmp_path / "kb").find("A", "one", "exact")
    assert (match.name, match.taxon) == ("first", "T:1")


def test_a_file_that_is_there_stays(kb_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "kb"
    path.write_text("mine")
    with pytest.raises(
        FileExistsError, match="is there already; allowed are a new file, or overwrite = true"
    ):
        build(path, CONCEPTS)
    assert path.read_text() == "mine"
    build(path, CONCEPTS, overwrite=True)
    assert KnowledgeBase(path).labels()


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kb"
    path.write_text("mine")

    def torn() -> Iterator[tuple[str, Concept]]:
        yield "A", Concept("X:1", "one")
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        build(path, torn(), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["kb"]
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("concepts", "mentions", "message"),
    [
        ([], [], "there is no name to write"),
        ([("A", Concept("X:1", "-"))], [("A", SeenMention(" ", "X:1"))], None),
        ([("", Concept("X:1", "a"))], [], "label = '': allowed are letters"),
        ([("A\n", Concept("X:1", "a"))], [], r"label = 'A\\n': allowed are"),
        ([("A", Concept("X:1", "a", (("b", "EXACT"),)))], [], "scope = 'EXACT': allowed are mention, name"),
        ([("A", Concept("X:1", "a", (), (("X:2", "same"),)))], [], "relation = 'same': allowed are altern"),
        ([], [("A", SeenMention("a", "X:1", 0))], "frequency = 0 of 'a': allowed are whole numbers from 1"),
    ],
)
def test_what_is_not_allowed(concepts: list, mentions: list, message: str | None, tmp_path: Path) -> None:
    if message is None:
        assert build(tmp_path / "kb", concepts, mentions)["names"] == 1
        return
    with pytest.raises(ValueError, match=message):
        build(tmp_path / "kb", concepts, mentions)


def test_memory_stays_flat(tmp_path: Path) -> None:
    def many(n: int) -> Iterator[tuple[str, Concept]]:
        return (("A", Concept(f"X:{i}", f"thing number {i} of many")) for i in range(n))

    peaks = []
    for n in (2_000, 20_000):
        tracemalloc.start()
        build(tmp_path / f"{n}", many(n))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000
    assert len(KnowledgeBase(tmp_path / "20000").find("A", "thingnumber7ofmany", "exact")) == 1
