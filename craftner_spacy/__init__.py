"""Named entities of the CRAFT corpus for spaCy: ``nlp.add_pipe("craft_ner")``."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .finding import FoundEntity, find
    from .processing.annotate import annotate

__version__ = version("craftner_spacy")
__all__ = ["FoundEntity", "__version__", "annotate", "find"]

_MODULES = {"FoundEntity": ".finding", "annotate": ".processing.annotate", "find": ".finding"}


def __getattr__(name: str) -> Any:
    """Import what the package offers, and torch with it, only when it is asked for."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
