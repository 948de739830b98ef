"""What a user gets from the wheels alone, with no network: `make smoke` runs this in an environment that has
nothing but the package, the packaged pipeline and their dependencies.
"""

import sys

import spacy

TEXT = "Sam68 is expressed in mouse spermatocytes."


def refuse_network(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: the shipped model has to work without asking anybody."""
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(args[1], tuple)):
        raise SystemExit(f"smoke: tried to reach the network: {args}")


def main() -> None:
    """Annotate one sentence by the component's defaults and by the package, and check the entities found."""
    sys.addaudithook(refuse_network)
    blank = spacy.blank("en")
    blank.add_pipe("craft_ner")
    packaged = spacy.load("en_craft_ner_sm")
    found = [(ent.text, ent.label_) for ent in blank(TEXT).ents]
    if {label for _, label in found} != {"Protein", "Taxon", "Cell"}:
        sys.exit(f"smoke: expected Protein, Taxon and Cell entities, got {found}")
    if [(ent.text, ent.label_) for ent in packaged(TEXT).ents] != found:
        sys.exit(f"smoke: the packaged pipeline does not find the same as the component: {found}")
    for key in ("license", "sources", "performance", "requirements"):
        if not packaged.meta.get(key):
            sys.exit(f"smoke: meta.json of the packaged pipeline has no {key}")
    print(f"smoke: {found}")


if __name__ == "__main__":
    main()
