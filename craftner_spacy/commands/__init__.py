"""The commands of the shell, one module each. What a command needs beyond typer is imported when it runs."""
