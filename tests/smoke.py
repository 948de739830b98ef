"""What a user gets from the wheel alone, with no network: `make smoke` runs this in an environment that has
nothing but the package and its dependencies.
"""

import sys

import spacy


def refuse_network(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: the shipped model has to work without asking anybody."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(args[1], tuple)):
        raise SystemExit(f"smoke: tried to reach the network: {args}")


def main() -> None:
    """Annotate one sentence with the default settings and check the kinds of entity found."""
    sys.addaudithook(refuse_network)
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner")
    doc = nlp("Sam68 is expressed in mouse spermatocytes.")
    found = {ent.label_: ent.text for ent in doc.ents}
    missing = {"Protein", "Taxon", "Cell"} - found.keys()
    if missing:
        sys.exit(f"smoke: expected Protein, Taxon and Cell entities, got {found}")
    print(f"smoke: {found}")


if __name__ == "__main__":
    main()
