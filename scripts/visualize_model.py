"""A pipeline in spaCy's own web visualiser, for `streamlit run`: a text typed there shows its entities."""

from contextlib import suppress

import spacy_streamlit
import typer
from demo import ABSTRACT

from craftner_spacy.annotation import component_of
from craftner_spacy.labels import GLOSSARY


def main(pipeline: str) -> None:
    """Serve PIPELINE, a folder or a package. The page begins with the demo's abstract."""
    labels = component_of(spacy_streamlit.load_model(pipeline)).labels
    spacy_streamlit.visualize(
        [pipeline],
        ABSTRACT,
        visualizers=["ner"],
        ner_labels=list(labels),
        ner_attrs=["text", "label_", "start_char", "end_char"],
        sidebar_description="\n".join(f"- **{row.name}**: {row.meaning}" for row in GLOSSARY),
        # For any other it calls a function that streamlit no longer has.
        color=None,
    )


if __name__ == "__main__":
    # A command ends with an exit, which streamlit would take for the end of the page.
    with suppress(SystemExit):
        typer.run(main)
