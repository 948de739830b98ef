"""The command ``labels``."""

from ..labels import GLOSSARY
from .tables import print_table


def labels_command() -> None:
    """Print what each label means, with examples of the corpus."""
    from rich.table import Table

    table = Table("label", "corpus tag", "meaning", "examples")
    for label in GLOSSARY:
        table.add_row(label.name, label.corpus_tag, label.meaning, ", ".join(label.examples))
    print_table(table)
