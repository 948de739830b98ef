"""Named entities of the CRAFT corpus for spaCy: ``nlp.add_pipe("craft_ner")``."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .processing.annotate import annotate

__version__ = version("craftner_spacy")
__all__ = ["__version__", "annotate"]


def __getattr__(name: str) -> Any:
    """Import `annotate`, and torch with it, only when it is asked for."""
    if name == "annotate":
        from .processing.annotate import annotate

        return annotate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
