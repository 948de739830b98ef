"""The commands of the shell: ``craftner_spacy``, or ``python -m craftner_spacy``."""

from collections.abc import Callable
from typing import Annotated

import typer

from . import __version__
from .commands.annotate import annotate_command
from .commands.convert import convert_command
from .commands.errors import OneLineErrors
from .commands.find import find_command
from .commands.info import info_command
from .commands.kb import app as kb_app
from .commands.labels import labels_command
from .commands.options import help_of
from .commands.report import report_command

# Without markup in help: Rich would take "[ray]" for a style and leave it out.
app = typer.Typer(
    cls=OneLineErrors,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "find": find_command,
    "annotate": annotate_command,
    "convert": convert_command,
    "report": report_command,
    "labels": labels_command,
    "info": info_command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)
app.add_typer(kb_app, name="kb")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"craftner_spacy {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Named entities of the CRAFT corpus for spaCy."""


if __name__ == "__main__":
    app()
