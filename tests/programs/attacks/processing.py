"""Hostile inputs, outputs and work folders of `annotate`."""
