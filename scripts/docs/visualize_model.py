"""spaCy's web visualizer with a pipeline, for `streamlit run`: it shows the entities of any text."""

from contextlib import suppress

import spacy_streamlit
import typer
from demo import ABSTRACT

from craftner_spacy.labels import GLOSSARY
from craftner_spacy.pipelines import get_component


def main(pipeline: str) -> None:
    """Serve PIPELINE, a folder or a package. At first the page shows the abstract of the demo."""
    labels = get_component(spacy_streamlit.load_model(pipeline)).labels
    spacy_streamlit.visualize(
        [pipeline],
        ABSTRACT,
        visualizers=["ner"],
        ner_labels=list(labels),
        ner_attrs=["text", "label_", "start_char", "end_char", "kb_id_"],
        sidebar_description="\n".join(f"- **{row.name}**: {row.meaning}" for row in GLOSSARY),
        # With a color, it calls a function that streamlit no longer has.
        color=None,
    )


if __name__ == "__main__":
    # typer ends a command with an exit, and streamlit would stop the page there.
    with suppress(SystemExit):
        typer.run(main)
