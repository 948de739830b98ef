"""The tokenizer ``craftner_spacy.tokenizer.v1``: the language's rules plus what genetics writes.

spaCy's rules keep genotypes (``Sam68−/−``), fusions (``Prx1::cre``) and lists (``Mcm4/6/7``) in one
token, and `doc.ents` cannot hold an entity that is a part of a token. With these rules such signs are
separate tokens. Numbers, ions, DOIs and addresses stay one token, and so do names with a hyphen before a
digit (``PGC-1α``, ``IL-2``). How many entities of CRAFT fit the tokens is in ``metrics/alignment.md``.
"""

import re
from collections.abc import Callable

from spacy.lang.char_classes import ALPHA, ALPHA_LOWER, ALPHA_UPPER, CONCAT_ICONS, CONCAT_QUOTES
from spacy.lang.tokenizer_exceptions import emoticons
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex

from .linear_tokenizer import LinearTokenizer

DASHES = r"\-‐‑‒–—−"
SLASHES = r"/⁄∕"
SIGNS = rf"()\[\]{{}}{SLASHES}+*;=<>→|_∷…{CONCAT_ICONS}"
"""Always separate tokens inside a word: brackets, and signs that join two names or a name and its state."""

PREFIXES = [
    # A slash, or a dash that is no number's sign.
    rf"[{SLASHES}]",
    rf"[{DASHES}](?![0-9.])",
]

SUFFIXES = [
    # A sentence's end after a name that ends in a capital, a dash or a prime: "TACC1B.", "Dmrt7−."
    rf"(?<=[0-9{ALPHA_LOWER}][{ALPHA_UPPER}])\.|(?<=[‐‑‒−′″])\.",
    r"′s",
]

# One set of first characters, and then what has to stand around them: the search skips all other text.
INFIX = rf"[{SIGNS}{DASHES}~^,:.](?:" + "|".join(
    [
        # Fusions ("Prx1::cre") and dots in a row are one sign.
        r"(?<=:):",
        r"(?<=\.)\.+",
        rf"(?<=[{SIGNS}])",
        # Between two digits these belong to a number: "1,000", "12:30".
        r"(?<=[,:])(?![0-9])",
        r"(?<=[^0-9][,:])",
        # A dash between a name and a word, beside a sign or at the end; not "PGC-1α". Of numbers: "3-5".
        rf"(?<=[{ALPHA}0-9)\]′″'’][{DASHES}~])-{{0,2}}(?=[{ALPHA}(\[])",
        rf"(?<=[{SLASHES}+*;)\]][{DASHES}])",
        rf"(?<=[{DASHES}])(?=[{SLASHES}+;,:)\]]|$)",
        r"(?<=[0-9][-^])(?=[0-9-])",
        # The end of a primer: "…GCA-3′".
        rf"(?<=[{DASHES}])(?=[35]′)",
        # A name whose numbers are a list: "QKI-6/7".
        rf"(?<=[{ALPHA}][{DASHES}])(?=[0-9]+[{SLASHES}][0-9])",
        # An isotope in its place: "[α-32P]dCTP".
        rf"(?<=\b[α-ω][{DASHES}])(?=[0-9]{{2,3}}[{ALPHA_UPPER}])",
        # Substituents before the number of their place: "5-bromo-4-chloro-3-indolyl".
        rf"(?:(?<=[{ALPHA_LOWER}]{{3}}o[{DASHES}])|(?<=[{ALPHA_LOWER}]{{2}}yl[{DASHES}]))(?=[0-9]+[{DASHES}])",
        # Two sentences without a space, and "chr.1".
        rf"(?<=[{ALPHA_LOWER}{CONCAT_QUOTES}]\.)(?=[{ALPHA_UPPER}{CONCAT_QUOTES}])",
        r"(?<=\b[Cc]hr\.)(?=[0-9XY])",
    ]
)
INFIX += ")"
"""English's own infix rules are covered by these."""

WHOLE = re.compile(
    # Dates, fractions and ratios; a DOI up to its last letter or digit.
    r"(?:\d+(?:[/:]\d+)+|(?:doi:)?10\.\d{4,9}/\S*\w"
    # Ions and coenzymes: "Na+", "Cl−", "Ca2+", "NAD+".
    rf"|(?:H|Li|Na|K|Rb|Cs|Ag|Cu|NH4|NADP?)\+|(?:F|Cl|Br|I|HCO3|NO3)[{DASHES}]"
    r"|(?:Ba|Ca|Cd|Co|Cu|Fe|Hg|Mg|Mn|Ni|Pb|Sr|Zn|Al)(?:2|3|²|³)?[+⁺]{1,3})$",
)
"""What is never split, whatever the rules above say."""

NO_EMOTICONS = {emoticon for emoticon in emoticons if any(char.isdigit() for char in emoticon)}
"""Tokenizer exceptions of spaCy that have another meaning in articles: ``8)`` in ``(Figures 7 and 8)``."""


def make_craft_tokenizer() -> Callable[[Language], Tokenizer]:
    """The tokenizer `craftner_spacy.tokenizer.v1`.

    RETURNS: a function that gives a pipeline's spaCy `Tokenizer`, with the rules of this module added to
        those of the pipeline's language. It is saved and loaded as spaCy's own.

    >>> import spacy
    >>> nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    >>> [token.text for token in nlp("PGC-1α−/− and Prx1::cre mice")]
    ['PGC-1α', '−', '/', '−', 'and', 'Prx1', '::', 'cre', 'mice']
    """

    def make(nlp: Language) -> Tokenizer:
        defaults = nlp.Defaults
        infixes = [INFIX] if nlp.lang == "en" else [INFIX, *(defaults.infixes or ())]
        return LinearTokenizer(
            nlp.vocab,
            rules={k: v for k, v in defaults.tokenizer_exceptions.items() if k not in NO_EMOTICONS},
            prefix_search=compile_prefix_regex([*(defaults.prefixes or ()), *PREFIXES]).search,
            suffix_search=compile_suffix_regex([*(defaults.suffixes or ()), *SUFFIXES]).search,
            infix_finditer=compile_infix_regex(infixes).finditer,
            token_match=defaults.token_match or WHOLE.match,
            url_match=defaults.url_match,
        )

    return make
