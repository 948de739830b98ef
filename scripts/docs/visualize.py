"""Write a displaCy page of some paragraphs of a corpus, annotated by a pipeline."""

from itertools import islice
from pathlib import Path

import spacy
import typer
from spacy import displacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from tqdm import tqdm
from wasabi import msg

from craftner_spacy.linking.links import KB_URL_TEMPLATE

MIN_ENTITIES = 5


def main(pipeline: Path, corpus: Path, out: Path, n: int = 10) -> None:
    """Write the first paragraph with 5 entities of each article of CORPUS, for N articles, to OUT."""
    nlp = spacy.load(pipeline)
    articles = DocBin().from_disk(corpus).get_docs(nlp.vocab)
    chosen = (doc for doc in (first_paragraph(nlp, article.text) for article in articles) if doc is not None)
    docs = list(tqdm(islice(chosen, n), desc="paragraphs", total=n))
    if not docs:
        msg.fail(f"no paragraph of {corpus} has {MIN_ENTITIES} entities", exits=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Links, where the pipeline has a craft_linker.
    options = {"kb_url_template": KB_URL_TEMPLATE}
    html = displacy.render(docs, style="ent", page=True, jupyter=False, options=options)
    out.write_text(html, encoding="utf-8")
    msg.good(f"{len(docs)} paragraphs: {out}")


def first_paragraph(nlp: Language, text: str) -> Doc | None:
    """The first line of the text in which the pipeline finds at least MIN_ENTITIES entities."""
    lines = (line.strip() for line in text.splitlines())
    docs = (nlp(line) for line in lines if line)
    return next((doc for doc in docs if len(doc.ents) >= MIN_ENTITIES), None)


if __name__ == "__main__":
    typer.run(main)
