"""Hostile files of each format."""
