"""Files as others write them, made of records: in formats that the package does not write, or otherwise."""

import csv
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from html import escape

import pyarrow as pa
from pyarrow import parquet

from craftner_spacy.data.records import Record

MEDLINE_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC '
    '"-//NLM//DTD PubMedArticle, 1st January 2025//EN" "http://127.0.0.1/pubmed.dtd">\n'
)
DELETED = '<DeleteCitation>\n<PMID Version="1">5</PMID>\n</DeleteCitation>\n'


def medline_file(records: Sequence[Record]) -> bytes:
    """A set of citations: the first line of each text is the title, the rest the abstract."""
    citations = []
    for record in records:
        title, _, abstract = record.text.partition("\n")
        citations.append(
            '<PubmedArticle>\n<MedlineCitation Status="MEDLINE" Owner="NLM">\n'
            f'<PMID Version="1">{record.id}</PMID>\n<Article PubModel="Print">\n'
            f"<ArticleTitle>{escape(title)}</ArticleTitle>\n"
            f'<Abstract>\n<AbstractText Label="RESULTS">{escape(abstract)}</AbstractText>\n</Abstract>\n'
            "</Article>\n</MedlineCitation>\n<PubmedData>"
            f'<ArticleIdList><ArticleId IdType="pubmed">{record.id}</ArticleId></ArticleIdList>'
            "</PubmedData>\n</PubmedArticle>\n"
        )
    return f"{MEDLINE_HEAD}<PubmedArticleSet>\n{''.join(citations)}{DELETED}</PubmedArticleSet>\n".encode()


def jats_article(record: Record) -> str:
    """An article: the first line of the text is the title, the others are paragraphs."""
    title, *paragraphs = record.text.split("\n")
    body = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in paragraphs)
    return (
        '<article article-type="research-article">\n<front><article-meta>'
        f'<article-id pub-id-type="pmcid">PMC{record.id}</article-id>\n'
        f"<title-group><article-title>{escape(title)}</article-title></title-group></article-meta></front>\n"
        f"<body><sec><title>Results</title>\n{body}</sec></body>\n</article>\n"
    )


def jats_file(records: Sequence[Record]) -> bytes:
    """A set of articles, as PMC's service for several articles gives it."""
    articles = "".join(map(jats_article, records))
    return f'<?xml version="1.0"?>\n<pmc-articleset>{articles}</pmc-articleset>\n'.encode()


def jats_tar_file(records: Sequence[Record]) -> bytes:
    """A tar file of articles."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for record in records:
            data = f'<?xml version="1.0"?>\n{jats_article(record)}'.encode()
            member = tarfile.TarInfo(f"PMC000/PMC{record.id}.xml")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def conll_file(records: Sequence[Record]) -> bytes:
    """A document of each record, a sentence of each of its lines; the first word has a tag."""
    documents = []
    for record in records:
        sentences = ["-DOCSTART-\tO"]
        for line in record.text.split("\n"):
            words = line.split()
            tags = ["B-Gene", *("O" for _ in words[1:])]
            sentences.append("\n".join(f"{word}\t{tag}" for word, tag in zip(words, tags, strict=True)))
        documents.append("\n\n".join(sentences))
    return "".join(f"\n{document}\n" for document in documents).encode()


def prodigy_file(records: Sequence[Record]) -> bytes:
    """An accepted task of each record, with its entities."""
    lines = []
    for record in records:
        spans = [{"start": e.start, "end": e.end, "label": e.label} for e in record.entities]
        task = {"id": record.id, "text": record.text, "spans": spans, "answer": "accept"}
        lines.append(json.dumps(task, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def table_file(records: Sequence[Record], separator: str) -> bytes:
    """A table with a row for each record; all fields are in quotes."""
    content = io.StringIO()
    writer = csv.writer(content, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "text", "year"])
    writer.writerows([record.id, record.text, 2001] for record in records)
    return content.getvalue().encode()


def parquet_file(records: Sequence[Record]) -> bytes:
    """A table without the checksums that the package writes, in two row groups."""
    rows = [{"id": r.id, "text": r.text, **r.fields} for r in records]
    content = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), content, row_group_size=3, compression="snappy")
    return content.getvalue()


MAKERS: dict[str, Callable[[Sequence[Record]], bytes]] = {
    "text": lambda records: records[0].text.encode(),
    "csv": lambda records: table_file(records, ","),
    "tsv": lambda records: table_file(records, "\t"),
    "parquet": parquet_file,
    "medline": medline_file,
    "jats": jats_file,
    "jats-tar": jats_tar_file,
    "conll": conll_file,
    "prodigy": prodigy_file,
}
"""By the format's name."""
