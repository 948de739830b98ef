"""Find entities in one sentence, with the small model. How long this takes is the time to start."""

import sys

import spacy

if __name__ == "__main__":
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner")
    if not nlp("Sam68 is expressed in mouse spermatocytes.").ents:
        sys.exit("no entity was found")
