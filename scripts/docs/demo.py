"""Annotate a made-up abstract, and the text in the environment variable TEXT, and write a displaCy page."""

import os
from pathlib import Path

import spacy
import typer
from spacy import displacy
from spacy.tokens import Doc
from wasabi import msg

from craftner_spacy.linking.links import KB_URL_TEMPLATE
from craftner_spacy.span_group import read_span_group

ABSTRACT = (
    "Loss of Zfp410b impairs mitochondrial function in mouse spermatocytes. "
    "To study the zinc finger protein Zfp410b in vivo, we replaced exons 2 and 3 of the gene with a neomycin "
    "resistance cassette and generated knock-out mice by homologous recombination in embryonic stem cells. "
    "Male Zfp410b−/− mice were infertile, and their spermatocytes arrested at the pachytene stage, whereas "
    "oocytes and Sertoli cells appeared normal. "
    "Immunofluorescence with an anti-Sycp3 antibody showed that chromosomes failed to synapse, and the "
    "localization of Brca1 to the nucleus was lost. "
    "Mutant cells had less ATP and more reactive oxygen species than wild-type cells, and treatment with "
    "retinoic acid or 5 mM glutathione did not restore them. "
    "Since the promoter and the coding sequence of Zfp410b are conserved in humans and zebrafish, TGF-β1 and "
    "Zfp410b may act together at the mitochondrial membrane of germ cells in all vertebrates."
)
HEADER = ("text", "label", "score", "start", "end", "id", "concept")


def main(model: str = "small", spans_key: str = "craft_ner", page: Path = Path("demo.html")) -> None:
    """Print a table of the entities that MODEL finds, with scores, offsets and ids, and write PAGE."""
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    nlp.add_pipe("craft_ner", config={"spans_key": spans_key, "model": {"name": model}})
    nlp.add_pipe("craft_linker", config={"spans_key": spans_key})
    texts = [ABSTRACT]
    if os.environ.get("TEXT", "").strip():
        texts.append(os.environ["TEXT"])
    docs = list(nlp.pipe(texts))
    for doc in docs:
        typer.echo(f"\n{doc.text}")
        msg.table(
            entity_rows(doc, spans_key),
            header=HEADER,
            divider=True,
            aligns=("l", "l", "r", "r", "r", "l", "l"),
            max_col=60,
        )
    options = {"kb_url_template": KB_URL_TEMPLATE}
    html = displacy.render(docs, style="ent", page=True, jupyter=False, options=options)
    page.write_text(html, encoding="utf-8")
    msg.good(f"The same as a page for a browser: {page.resolve()}")


def entity_rows(doc: Doc, spans_key: str) -> list[tuple[str, str, str, int, int, str, str]]:
    """A row for each entity of the document, with the columns of `HEADER`."""
    rows = []
    for e in read_span_group(doc, spans_key):
        concept = ("", "") if e.concept is None else (e.concept.id, e.concept.name)
        rows.append((doc.text[e.start : e.end], e.label, f"{e.score:.3f}", e.start, e.end, *concept))
    return rows


if __name__ == "__main__":
    typer.run(main)
