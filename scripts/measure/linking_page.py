"""The page metrics/linking.md: what `linking.py` measured, in tables."""

from collections.abc import Mapping
from typing import Any

LABELS = ("Sequence", "Cell", "Gene", "Chemical", "Taxon", "Protein")
Labelled = dict[str, float]
INTRODUCTION = (
    "# Concept ids",
    "",
    "Exact ids of CRAFT's concept annotations (version 5), in per cent. Mentions are those of the 34",
    "training articles, and names those of SO and CL, of the bundled table, or of all of GO's components,",
    "ChEBI and NCBI Taxonomy that two packages have. Devel: 11 articles, on which rules and scores were",
    "chosen; test: 22 articles, measured once. End to end is F1 over spans that craft_ner (small) finds: it",
    "learnt from CRAFT-IOB, whose guidelines differ from these annotations', so that many spans differ.",
)
PUBLISHED: dict[str, Labelled] = {
    "dictionary (ConceptMapper)": dict(zip(LABELS, (75, 52, 54, 55, 86, 47), strict=True)),
    "neural translation (OpenNMT)": dict(zip(LABELS, (97, 72, 81, 82, 87, 10), strict=True)),
}


def as_markdown(result: dict[str, Any]) -> str:
    """The tables of what was measured, for people."""
    lines = [*INTRODUCTION]
    for split in ("devel", "test"):
        if split in result:
            lines += ["", f"## {split}", "", *_table("gold spans", result[split]["configurations"])]
            lines += _row("gold mentions", result[split]["mentions"])
            if "bounds" in result[split]:
                lines += [
                    "",
                    "No linker can do better that knows the ids of these sources alone:",
                    "",
                    *_table("gold mentions whose id is known", result[split]["bounds"]),
                ]
            end_to_end = result[split].get("end to end", {})
            if end_to_end:
                rows = {name: values for name, values in end_to_end.items() if isinstance(values, dict)}
                lines += ["", *_table("end to end", rows), "", _times(end_to_end)]
    lines += ["", "## Each rule", "", "Points that it adds to all the others, on devel.", ""]
    lines += _table("rule", result["devel"]["rules"])
    calibration = result["devel"]["calibration"]
    lines += [
        "",
        "| rule | mentions | right |",
        "|---|---|---|",
        *(
            f"| {rule} | {calibration['mentions'].get(rule, 0):,} | {precision:.1%} |"
            for rule, precision in calibration["precision"].items()
        ),
        "",
        "Expected calibration error of scores, each article by the precisions of the others: "
        f"{calibration['expected calibration error']:.4f}.",
        "",
        "## Published",
        "",
        "30 later articles of the same corpus, so beside the tables above and not against them "
        "(Boguslav et al. 2021, Furrer et al. 2021).",
        "",
        *_table("exact id", PUBLISHED),
    ]
    return "\n".join(lines) + "\n"


def _table(name: str, rows: dict[str, Labelled]) -> list[str]:
    head = [f"| {name} | {' | '.join(LABELS)} |", "|---" * (len(LABELS) + 1) + "|"]
    return head + [line for row in rows.items() for line in _row(*row)]


def _row(name: str, values: Mapping[str, float]) -> list[str]:
    cells = (f"{values[label]:.10g}" if label in values else "" for label in LABELS)
    return [f"| {name} | {' | '.join(cells)} |"]


def _times(measured: dict[str, Any]) -> str:
    return (
        f"{measured['words']:,} words: craft_ner {measured['seconds of craft_ner']} s, craft_linker "
        f"{measured['seconds of craft_linker']} s, opening its table included."
    )
