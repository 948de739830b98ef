"""Hostile input, by what it goes for; `attack.py` runs all of it."""
