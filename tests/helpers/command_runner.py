"""Run commands of the shell in this process."""

import inspect
from typing import Any

import typer.testing


class CliRunner(typer.testing.CliRunner):
    """typer's runner, whose results have standard error apart; Click has to be asked for that before 8.2."""

    def __init__(self, charset: str = "utf-8") -> None:
        """Choose the encoding of what is read and printed.

        charset (str): its name.
        """
        options: dict[str, Any] = {"charset": charset}
        if "mix_stderr" in inspect.signature(typer.testing.CliRunner).parameters:
            options["mix_stderr"] = False
        super().__init__(**options)
