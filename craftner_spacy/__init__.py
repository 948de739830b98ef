"""Named entities of the CRAFT corpus for spaCy: ``nlp.add_pipe("craft_ner")``."""

from importlib.metadata import version

__version__ = version("craftner_spacy")
__all__ = ["__version__"]
