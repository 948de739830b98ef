"""Check what a user gets from the wheels alone, without network.

`make smoke` runs this in an environment with only the package, the packaged pipeline and their dependencies.
"""

import sys

import spacy

TEXT = "Sam68 is expressed in mouse spermatocytes."


def refuse_network(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: the shipped model has to work without network."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(args[1], tuple)):
        raise SystemExit(f"smoke: tried to reach the network: {args}")


def main() -> None:
    """Check the entities of a sentence, by the component's defaults and by the packaged pipeline."""
    sys.addaudithook(refuse_network)
    blank = spacy.blank("en")
    blank.add_pipe("craft_ner")
    packaged = spacy.load("en_craft_ner_sm")
    entities = [(ent.text, ent.label_) for ent in blank(TEXT).ents]
    if {label for _, label in entities} != {"Protein", "Taxon", "Cell"}:
        sys.exit(f"smoke: expected Protein, Taxon and Cell entities, got {entities}")
    if [(ent.text, ent.label_) for ent in packaged(TEXT).ents] != entities:
        sys.exit(f"smoke: the packaged pipeline does not give the entities of the component: {entities}")
    for key in ("license", "sources", "performance", "requirements"):
        if not packaged.meta.get(key):
            sys.exit(f"smoke: meta.json of the packaged pipeline has no {key}")
    print(f"smoke: {entities}")


if __name__ == "__main__":
    main()
