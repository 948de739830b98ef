"""The commands ``kb build``, ``kb info`` and ``kb lookup``."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from tqdm import tqdm

from ..linking.builder import build
from ..linking.knowledge_base import KnowledgeBase, kb_file
from ..linking.links import concept_url
from ..linking.ontologies import read_ontology
from ..linking.schema import Concept, SeenMention
from .options import existing, help_of
from .tables import print_table

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Make knowledge bases, and look into them.",
)
Item = TypeVar("Item")
_COLUMNS = ("label", "id", "concept", "match", "name that matched", "scope", "seen")
Kb = Annotated[str, typer.Option("--kb", help="bundled, or a file made by `kb build`")]


def build_command(
    out: Annotated[Path, typer.Argument(help="the file to write", metavar="OUT")],
    ontology: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=FILE: .obo, .owl or .tsv, also .gz or .zip; may be repeated"),
    ] = None,
    mentions: Annotated[
        list[Path] | None,
        typer.Option(help=".spacy or .tsv with mentions and their ids; may be repeated", callback=existing),
    ] = None,
    prefix: Annotated[
        list[str] | None, typer.Option(help="LABEL=CL: take ids that begin with CL: alone")
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(help="LABEL=NAME: take terms of this OBO namespace alone")
    ] = None,
    xrefs: Annotated[bool, typer.Option("--xrefs", help="keep the ids that other ontologies have")] = False,
    base: Annotated[str | None, typer.Option(help="a knowledge base whose content is taken too")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUT if it is there")] = False,
) -> None:
    """Build a knowledge base.

    It is made from ontologies, tables of names and annotated documents.

    RAISES: ValueError for an option that is not allowed; what `builder.build`, `ontologies.read_ontology` and
        `mentions.read_mentions` raise.
    """
    files = [_pair("--ontology", value) for value in ontology or ()]
    prefixes = dict(_pair("--prefix", value) for value in prefix or ())
    namespaces = dict(_pair("--namespace", value) for value in namespace or ())
    for option, labels in (("--prefix", prefixes), ("--namespace", namespaces)):
        unknown = sorted(labels.keys() - {label for label, _ in files})
        if unknown:
            raise ValueError(f"{option} {unknown[0]}=...: allowed are labels of --ontology")
    own = None if base is None else open_kb(base)

    def concepts() -> Iterator[tuple[str, Concept]]:
        if own is not None:
            yield from own.all_concepts()
        for label, file in files:
            found = read_ontology(file, prefix=prefixes.get(label), namespace=namespaces.get(label))
            for concept in _counted(found, f"{label}: {Path(file).name}"):
                kept = tuple(pair for pair in concept.other_ids if xrefs or pair[1] != "xref")
                yield label, concept._replace(other_ids=kept)

    def all_mentions() -> Iterator[tuple[str, SeenMention]]:
        if own is not None:
            yield from own.all_mentions()
        if not mentions:
            return
        from ..linking.mentions import read_mentions

        for file in mentions:
            yield from _counted(read_mentions(file), file.name)

    sources = [
        *([] if own is None else own.meta().get("sources", [])),
        *(f"{label}: {Path(file).name}" for label, file in files),
        *(f"mentions: {file.name}" for file in mentions or ()),
    ]
    counts = build(out, concepts(), all_mentions(), meta={"sources": sources}, overwrite=overwrite)
    typer.echo(", ".join(f"{counts[what]:,} {what}" for what in ("concepts", "names", "mentions")))
    left_out = {what: n for what, n in counts.items() if n and what not in ("concepts", "names", "mentions")}
    if left_out:
        typer.echo("left out or made one: " + ", ".join(f"{n:,} {what}" for what, n in left_out.items()))


def info_command(
    kb: Annotated[
        str, typer.Argument(help="bundled, or a file made by `kb build`", metavar="KB")
    ] = "bundled",
) -> None:
    """Show what a knowledge base holds.

    Below the table are the sources of which it was made.
    """
    from rich.table import Table

    opened = open_kb(kb)
    table = Table("label", "concepts", "names", "mentions seen", title=str(opened.path.name))
    for row in opened.labels():
        table.add_row(row.label, f"{row.n_concepts:,}", f"{row.n_names:,}", f"{row.n_mentions:,}")
    print_table(table)
    for source in opened.meta().get("sources", []):
        typer.echo(f"source: {source}")


def lookup_command(
    text: Annotated[str, typer.Argument(help="a name, or an id", metavar="TEXT")],
    label: Annotated[str | None, typer.Option(help="look among the names of this label alone")] = None,
    kb: Kb = "bundled",
    limit: Annotated[int, typer.Option(help="names shown of each label, at most", min=1)] = 10,
) -> None:
    """Show the concepts of a name or an id.

    Of a name, the table shows which names in the knowledge base match, and by which key.

    RAISES: Exit, ValueError for an option that is not allowed.
    """
    from rich.table import Column, Table

    opened = open_kb(kb)
    labels = [info.label for info in opened.labels()]
    if label is not None and label not in labels:
        raise ValueError(f"--label {label}: allowed are {', '.join(labels)}")
    table = Table(*(Column(name, overflow="fold") for name in _COLUMNS))
    table.columns[1].no_wrap = True
    for of_label, id_, name, relation in opened.concepts(text):
        if label in (None, of_label):
            table.add_row(of_label, id_, name, f"id, {relation}", "", "", "")
            typer.echo(f"{id_}: {concept_url(id_) or 'its prefix has no address'}")
    for of_label in labels if label is None else [label]:
        for match in opened.lookup(text, of_label)[:limit]:
            seen = f"{match.frequency:,}"
            table.add_row(of_label, match.id, match.name, match.kind, match.text, match.scope, seen)
    if table.row_count:
        print_table(table)
    else:
        typer.echo(f"no name and no id in {kb} is like {text!r}")
        raise typer.Exit(1)


_COMMANDS: dict[str, Callable[..., None]] = {
    "build": build_command,
    "info": info_command,
    "lookup": lookup_command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)


def open_kb(kb: str) -> KnowledgeBase:
    """Open a knowledge base by the setting's value.

    RAISES: what `KnowledgeBase` raises.
    """
    return KnowledgeBase(kb_file(kb))


def _pair(option: str, value: str) -> tuple[str, str]:
    label, sign, rest = value.partition("=")
    if not (label and sign and rest):
        raise ValueError(f"{option} {value!r}: has to be LABEL=VALUE, e.g. Cell=CL.obo.zip")
    return label, rest


def _counted(items: Iterable[Item], name: str) -> Iterator[Item]:
    return iter(tqdm(items, desc=name, unit=" entries", unit_scale=True, mininterval=1))
