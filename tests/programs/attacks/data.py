"""Hostile files of each format: small ones that become large, and records that look like others."""

import gzip
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from .frame import attack, craftner, raised, succeeded

LIMIT = 500
"""Megabytes that reading may take; the import of spaCy takes about 280 of them."""
GOOD = {"id": "2", "passages": [{"offset": 0, "text": "good"}]}
GOOD_XML = (
    b"<document><id>2</id><passage><offset>0</offset><text>good</text></passage></document></collection>"
)


def read(path: Path, good: int, bad: int) -> str:
    """Read a file and check how many of its records are good and bad, and that the last good one is whole."""
    from craftner_spacy.data.formats import get_format, read_file
    from craftner_spacy.data.records import ReadOptions, Record

    records = read_file(path, get_format(path, None, ""), ReadOptions("name", entities=False))
    n_good, reasons, last = 0, [], ""
    for record in records:
        if isinstance(record, Record):
            n_good, last = n_good + 1, record.text
        else:
            reasons.append(record.reason)
    assert (n_good, len(reasons)) == (good, bad), f"{n_good} good, {reasons}"
    assert not good or last == "good", last[:60]
    return f"{path.stat().st_size:,} bytes: {n_good} good, bad: {reasons[-1] if reasons else 'none'}"


def write(path: Path, *parts: bytes) -> Path:
    """Write a file; its path."""
    path.write_bytes(b"".join(parts))
    return path


def write_gzip(path: Path, parts: Iterable[bytes]) -> Path:
    """Write a compressed file part by part; its path."""
    with gzip.open(path, "wb", 1) as file:
        file.writelines(parts)
    return path


@attack("80 kB of [ in BioC JSON", item=12, expects="a bad record, the next is read", megabytes=LIMIT)
def brackets(folder: Path) -> str:
    deep = b"[" * 80_000 + b"]" * 80_000
    head = b'{"documents": ['
    return read(write(folder / "x.json", head, deep, b",", json.dumps(GOOD).encode(), b"]}"), 1, 1)


@attack("80 kB of [ in JSON Lines", item=12, expects="a bad record, the next is read", megabytes=LIMIT)
def brackets_in_lines(folder: Path) -> str:
    lines = b'{"id": 1, "x": ', b"[" * 80_000, b'}\n{"id": 2, "text": "good"}\n'
    return read(write(folder / "x.jsonl", *lines), 1, 1)


@attack("5 million lists in a line", item=12, expects="a bad record, the next is read", megabytes=LIMIT)
def lists(folder: Path) -> str:
    lines = b'{"id": 1, "text": "a", "x": [', b"[]," * 5_000_000, b'0]}\n{"id": 2, "text": "good"}\n'
    return read(write(folder / "x.jsonl", *lines), 1, 1)


@attack("8,000 gaps of a million in BioC", item=12, expects="a bad record, the next is read", megabytes=LIMIT)
def gaps(folder: Path) -> str:
    passages = [{"offset": number * 1_000_000, "text": "a"} for number in range(8000)]
    content = json.dumps({"documents": [{"id": "1", "passages": passages}, GOOD]})
    return read(write(folder / "x.json", content.encode()), 1, 1)


@attack("a sentence at 200,000,000", item=12, expects="a bad record, the next is read", megabytes=LIMIT)
def far(folder: Path) -> str:
    sentence = b"<sentence><offset>200000000</offset><text>a</text></sentence>"
    passage = b"<collection><document><id>1</id><passage><offset>0</offset>%s</passage></document>" % sentence
    return read(write(folder / "x.xml", passage, GOOD_XML), 1, 1)


@attack(
    "4 million elements in a document", item=12, expects="a bad record, the next is read", megabytes=LIMIT
)
def elements(folder: Path) -> str:
    head = b"<collection><document><id>1</id>"
    return read(write(folder / "x.xml", head, b"<a/>" * 3_900_000, b"</document>", GOOD_XML), 1, 1)


@attack(
    "4 GB in 4 MB of gzip, in a line", item=12, expects="a bad record, the next", seconds=180, megabytes=LIMIT
)
def gzip_lines(folder: Path) -> str:
    parts = [b'{"id": 1, "text": "', *[b"a" * 1_000_000] * 4000, b'"}\n{"id": 2, "text": "good"}\n']
    return read(write_gzip(folder / "x.jsonl.gz", parts), 1, 1)


@attack(
    "1 GB in 1 MB of gzip, in BioC", item=12, expects="a bad record, the next", seconds=180, megabytes=LIMIT
)
def gzip_xml(folder: Path) -> str:
    parts = [b"<collection><document><id>", *[b"a" * 1_000_000] * 1000, b"</id></document>", GOOD_XML]
    return read(write_gzip(folder / "x.xml.gz", parts), 1, 1)


@attack("1 GB in 1 MB of gzip, as text", item=12, expects="a bad record", seconds=180, megabytes=LIMIT)
def gzip_text(folder: Path) -> str:
    return read(write_gzip(folder / "x.txt.gz", [b"a" * 1_000_000] * 1000), 0, 1)


@attack("1 GB in a DocBin of 1 MB", item=12, expects="a bad record", seconds=60, megabytes=LIMIT)
def docbin(folder: Path) -> str:
    packer = zlib.compressobj(1)
    parts = [packer.compress(b"\x81\xa6tokens\xc6\x3f\xff\xff\xff")]
    parts += [packer.compress(bytes(1_000_000)) for _ in range(1000)]
    return read(write(folder / "x.spacy", *parts, packer.flush()), 0, 1)


@attack(
    "2 GB in 6 kB of Parquet, one value", item=12, expects="all rows are read", seconds=120, megabytes=LIMIT
)
def parquet(folder: Path) -> str:
    import pyarrow as pa
    from pyarrow import parquet as pq

    numbers = pa.array([0] * 1999 + [1], pa.int32())
    texts = pa.DictionaryArray.from_arrays(numbers, pa.array(["a" * 1_000_000, "good"]))
    table = pa.table({"id": pa.array(range(2000)), "text": texts})
    pq.write_table(table, folder / "x.parquet", dictionary_pagesize_limit=10**8, row_group_size=2000)
    return read(folder / "x.parquet", 2000, 0)


@attack(
    "2 GB in a row of 1 kB of Parquet", item=12, expects="a bad record, the next is read", megabytes=LIMIT
)
def parquet_row(folder: Path) -> str:
    import pyarrow as pa
    from pyarrow import parquet as pq

    values = pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int32()), pa.array(["a" * 10_000]))
    column = pa.ListArray.from_arrays(pa.array([0, 200_000, 200_000], pa.int32()), values)
    table = pa.table({"id": ["1", "2"], "text": ["a", "good"], "x": column})
    pq.write_table(table, folder / "x.parquet", dictionary_pagesize_limit=10**8)
    return read(folder / "x.parquet", 1, 1)


@attack("2 GB in a row of a list view in Parquet", item=12, expects="a bad record, the next", megabytes=LIMIT)
def parquet_view(folder: Path) -> str:
    import pyarrow as pa
    from pyarrow import parquet as pq

    numbers = pa.array([0] * 200_000, pa.int32())
    values = pa.DictionaryArray.from_arrays(numbers, pa.array(["a" * 10_000]))
    offsets, sizes = pa.array([0, 0], pa.int32()), pa.array([200_000, 0], pa.int32())
    column = pa.ListViewArray.from_arrays(offsets, sizes, values)
    table = pa.table({"id": ["1", "2"], "text": ["a", "good"], "x": column})
    pq.write_table(table, folder / "x.parquet", dictionary_pagesize_limit=10**8)
    return read(folder / "x.parquet", 1, 1)


@attack("depth 3,000 and a text of 10 MB in BioC", item=13, expects="each loses itself", megabytes=LIMIT)
def bad_documents(folder: Path) -> str:
    deep = b"<document><id>1</id>" + b"<a>" * 3000 + b"</a>" * 3000 + b"</document>"
    passage = b"<passage><offset>0</offset><text>%s</text></passage>" % (b"a" * 10_000_001)
    long = b"<document><id>3</id>%s</document>" % passage
    return read(write(folder / "x.xml", b"<collection>", deep, long, GOOD_XML), 1, 2)


@attack("fields called id, text and passages", item=8, expects="they become source_...", megabytes=LIMIT)
def names(folder: Path) -> str:
    infons = {"id": "x", "text": "y", "passages": "z", "entities": "e"}
    path = write(folder / "x.json", json.dumps({**GOOD, "infons": infons}).encode())
    return read(path, 1, 0)


@attack("PubTator's |t| of one id, |a| of another", item=8, expects="a bad record", megabytes=LIMIT)
def merged(folder: Path) -> str:
    return read(write(folder / "x.pubtator", b"1|t|One\n2|a|Two\n\n3|t|good\n"), 1, 1)


@attack(
    "a Parquet footer that contradicts itself", item=17, expects="a bad record, no crash", megabytes=LIMIT
)
def footer(folder: Path) -> str:
    import pyarrow as pa
    from pyarrow import parquet as pq

    from craftner_spacy.data.formats import get_format, read_file
    from craftner_spacy.data.records import BadRecord, ReadOptions

    path = folder / "x.parquet"
    pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), path)
    content, n_bad = path.read_bytes(), 0
    for at in range(len(content) - 500, len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 2]) + content[at + 1 :])
        read_records = list(read_file(path, get_format(path, None, ""), ReadOptions("name")))
        bad = any(isinstance(record, BadRecord) for record in read_records)
        assert bad or len(read_records) == 2, f"byte {at}: {len(read_records)} records, none bad"
        n_bad += bad
    return f"500 files, {n_bad} with a bad record"


@attack("500 MB in gzip, as CoNLL", item=12, expects="a bad record, the next", seconds=180, megabytes=LIMIT)
def gzip_conll(folder: Path) -> str:
    mark = b"-DOCSTART- O\n\n"
    line = [b"a" * 1_000_000] * 500
    words = [b"word O\n" * 100_000] * 30
    parts = [mark, *line, b" O\n\n", mark, *words, b"\n", mark, b"good O\n"]
    return read(write_gzip(folder / "x.conll.gz", parts), 1, 2)


@attack("1 GB in gzip, as CSV", item=12, expects="a bad record, the next", seconds=180, megabytes=LIMIT)
def gzip_csv(folder: Path) -> str:
    parts = [b"id,text\n1,", *[b"a" * 1_000_000] * 500, b"\n1", *[b"," * 1_000_000] * 500, b"\n2,good\n"]
    return read(write_gzip(folder / "x.csv.gz", parts), 1, 2)


@attack("1 GB in gzip, as MEDLINE", item=12, expects="a bad record, the next", seconds=180, megabytes=LIMIT)
def gzip_medline(folder: Path) -> str:
    article = b"<PubmedArticle><ArticleTitle>%s</ArticleTitle></PubmedArticle>"
    head, tail = article.split(b"%s")
    start, end = b"<PubmedArticleSet>", b"</PubmedArticleSet>"
    parts = [start, head, *[b"a" * 1_000_000] * 1000, tail, article % b"good", end]
    return read(write_gzip(folder / "x.xml.gz", parts), 1, 1)


@attack("1 GB in a tar.gz of PMC", item=12, expects="a bad record, the next", seconds=180, megabytes=LIMIT)
def gzip_tar(folder: Path) -> str:
    good = b"<article><body><p>good</p></body></article>"
    large, small = tarfile.TarInfo("large.xml"), tarfile.TarInfo("small.xml")
    large.size, small.size = 10**9, len(good)
    parts = [large.tobuf(), *[bytes(10**6)] * 1000, bytes(-large.size % 512)]
    parts += [small.tobuf(), good, bytes(-small.size % 512), bytes(1024)]
    return read(write_gzip(folder / "x.tar.gz", parts), 1, 1)


@attack("1 GB in a zip file of BRAT", item=12, expects="a bad record, the next", megabytes=LIMIT)
def zip_brat(folder: Path) -> str:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("a.txt", "w") as file:
            for _ in range(1000):
                file.write(bytes(10**6))
        archive.writestr("b.txt", "good")
    return read(folder / "x.zip", 1, 1)


@attack("a million annotations in PubTator", item=12, expects="a bad record, the next", megabytes=LIMIT)
def annotations(folder: Path) -> str:
    return read(
        write(folder / "x.pubtator", b"1|t|a\n", b"1\t0\t1\ta\tX\t-\n" * 10**6, b"\n2|t|good\n"), 1, 1
    )


@attack(
    "a head of 100 kB before 5,000 documents", item=12, expects="all are read", seconds=60, megabytes=LIMIT
)
def long_head(folder: Path) -> str:
    infons = b'<infon key="a">b</infon>' * 4000
    document = b"<document><id>2</id><passage><offset>0</offset><text>good</text></passage></document>"
    parts = [b"<collection>", infons, document * 5000, b"</collection>"]
    return read(write(folder / "x.xml", *parts), 5000, 0)


@attack("10,000 entities of a million characters", item=12, expects="refused by convert")
def mentions(folder: Path) -> str:
    entities = [{"start": 0, "end": 1_000_000 - number, "label": "X"} for number in range(10_000)]
    line = json.dumps({"id": "1", "text": "a" * 1_000_000, "entities": entities}).encode()
    path = write(folder / "x.jsonl", line)
    from craftner_spacy.processing.convert import convert

    return raised(ValueError, lambda: convert(path, folder / "out.csv"), "record 1", "16,000,000 characters")


@attack("a title of 1 MB over 10,000 paragraphs", item=12, expects="its beginning, in each of them")
def long_title(folder: Path) -> str:
    title = b"<article><body><sec><title>%s</title>" % (b"a" * 1_000_000)
    path = write(folder / "x.nxml", title, b"<p>x</p>" * 10_000, b"</sec></body></article>")
    out = folder / "out.jsonl"
    said = succeeded(craftner("convert", path, "-o", out))
    assert out.stat().st_size < 10_000_000, f"{out.stat().st_size:,} bytes"
    return said
