"""Errors of files and settings as one line, for all commands."""

import sys
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperGroup


class OneLineErrors(TyperGroup):
    """Commands whose errors of files and settings are shown as one line, not as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Characters that the terminal cannot show, of names of files too, are printed as escapes.

        RAISES: Exit with code 1 after such an error; what else the command raises.
        """
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Who reads the output has seen enough: typer ends without a word.
            raise
        except (OSError, ValueError, ImportError) as err:
            typer.secho(f"Error: {' '.join(str(err).split())}", fg="red", err=True)
            raise typer.Exit(1) from err
