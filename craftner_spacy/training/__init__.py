"""Training data: the CRAFT corpus, its projection on true text, the reader and the augmenter."""
