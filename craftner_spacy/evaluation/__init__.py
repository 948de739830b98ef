"""Scores of predicted entities, and analyses of errors and scores."""
