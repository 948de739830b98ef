"""Errors of files and settings as one line, for all commands."""

from typing import Any

import typer
from typer.core import TyperGroup


class OneLineErrors(TyperGroup):
    """Commands whose errors of files and settings are shown as one line, not as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        RAISES: Exit with code 1 after such an error; what else the command raises.
        """
        try:
            return super().invoke(ctx)
        except (OSError, ValueError, ImportError) as err:
            typer.secho(f"Error: {err}", fg="red", err=True)
            raise typer.Exit(1) from err
