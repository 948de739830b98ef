"""What the labels of outside corpora mean in CRAFT, and which texts that others annotate CRAFT does not."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from spacy.tokens import Doc

from craftner_spacy.alignment import chars_of_tokens

MEANINGS: dict[str, dict[str, str]] = {
    "BC2GM": {"GENE": "Protein"},
    "BC5CDR": {"Chemical": "Chemical"},
    "BioNLP11ID": {"Chemical": "Chemical", "Organism": "Taxon", "Protein": "Protein"},
    "BioNLP13CG": {
        "Cell": "Cell",
        "Cellular_component": "Gene",
        "Gene_or_gene_product": "Protein",
        "Organism": "Taxon",
        "Simple_chemical": "Chemical",
    },
    "BioNLP13PC": {
        "Cellular_component": "Gene",
        "Gene_or_gene_product": "Protein",
        "Simple_chemical": "Chemical",
    },
    "BioRED_TrainDev": {"Chemical": "Chemical", "Gene": "Protein", "Species": "Taxon"},
    "DrugProt_Test": {"Chemical": "Chemical", "Gene": "Protein"},
    "GNormPlus_Train": {"Gene": "Protein"},
    "JNLPBA": {"cell_type": "Cell"},
    "JNLPBA_Train": {"cell_type": "Cell"},
    "NLMchem_Test": {"Chemical": "Chemical"},
    "NLMgene_Train": {"Cell": "Cell", "Gene": "Protein"},
    "SPECIES_Train": {"Species": "Taxon"},
    "linnaeus": {"Species": "Taxon"},
}
"""Our label for each label of a corpus that means one (our ``Gene`` is a cellular component)."""

COMPLETE = {"GNormPlus_Train": ("Protein",), "NLMgene_Train": ("Protein",), "DrugProt_Test": ("Protein",)}
"""Our labels of which a corpus annotates each entity. They annotate families of genes too, so text that is in
none of their entities has no protein."""

SAME_BORDERS = frozenset(
    (
        "BC5CDR",
        "BioRED_TrainDev",
        "GNormPlus_Train",
        "NLMchem_Test",
        "NLMgene_Train",
        "SPECIES_Train",
        "linnaeus",
    )
)
"""Corpora whose entities begin and end as CRAFT's do: a name, without the words around it."""

PEOPLE = frozenset(
    ("patient", "patients", "women", "woman", "men", "man", "children", "child", "infants", "infant")
)
"""Species in other corpora. CRAFT annotates people only where the text names the species."""


def excluded_labels(meanings: Mapping[str, str]) -> set[str]:
    """Our labels that are wrong for an entity of the corpus if it is annotated with another label.

    These are the labels that the corpus annotates. In a corpus of chemicals it is ``Protein`` too: what its
    annotators take for a chemical is no protein.

    meanings: our label for each label of the corpus.

    >>> sorted(excluded_labels({"Chemical": "Chemical"}))
    ['Chemical', 'Protein']
    """
    labels = set(meanings.values())
    return labels | {"Protein"} if "Chemical" in labels else labels


def normalize_case(text: str) -> str:
    """The text without the capital of a sentence's beginning. Symbols, which depend on their case, stay.

    >>> normalize_case("Patients"), normalize_case("NO"), normalize_case("nNOS")
    ('patients', 'NO', 'nNOS')
    """
    return text if any(character.isupper() for character in text[1:]) else text.lower()


def unannotated_texts(wanted: Collection[str], craft_docs: Iterable[Doc], longest: int = 5) -> set[str]:
    """Of texts that others annotate, those that CRAFT mostly leaves without annotation; and `PEOPLE`.

    CRAFT has each of these texts three times at least.

    wanted: texts, as `normalize_case` gives them.
    craft_docs: the training split of CRAFT.
    longest (int): the most tokens of a text that is searched.
    """
    annotated: Counter[str] = Counter()
    unannotated: Counter[str] = Counter()
    for doc in craft_docs:
        annotated.update(normalize_case(ent.text) for ent in doc.ents)
        whole, chars = doc.text, chars_of_tokens(doc).tolist()
        is_outside = [token.ent_iob_ == "O" for token in doc]
        for first, (start, _) in enumerate(chars):
            for last in range(first, min(first + longest, len(chars))):
                if not is_outside[last]:
                    break
                text = normalize_case(whole[start : chars[last][1]])
                if text in wanted:
                    unannotated[text] += 1
    return set(PEOPLE) | {text for text, n in unannotated.items() if n > max(2, annotated[text])}
