"""Names made comparable: keys that are the same for all the ways in which one name is written.

Two names have the same *exact key* if they differ in case, Greek letters, hyphens, spaces or the plural only;
the same *word key* if they differ in word order, small words, numerals, spelling or endings (noun, plural,
adjective) too; the same *loose key* if they also differ in words that say little::

    name                    exact key             word key              loose key
    β-catenins              betacatenin           beta catenin          beta catenin
    arm of chromosome       armofchromosome       arm chromosom         arm chromosom
    chromosomal arms        chromosomalarm        arm chromosom         arm chromosom
    epidermal basal cells   epidermalbasalcell    basal cell epiderm    basal epiderm
    basal epidermis         basalepidermis        basal epiderm         basal epiderm
"""

import re
import unicodedata
from functools import lru_cache

MAX_NAME = 500
"""Characters of a name that are read; what is longer is no name, and is cut here."""

_SEPARATORS = re.compile(r"[\s\-_/]+")
_WORD_SEPARATORS = re.compile(r"[\s\-_/,;:()\[\]]+")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "′": "'", "´": "'", "`": "'", "“": '"', "”": '"', "″": "''"})
_MINUS = "\N{MINUS SIGN}"

_IRREGULAR = {
    "mice": "mouse",
    "lice": "louse",
    "feet": "foot",
    "nuclei": "nucleus",
    "loci": "locus",
    "foci": "focus",
    "fungi": "fungus",
    "bacilli": "bacillus",
    "mitochondria": "mitochondrion",
    "bacteria": "bacterium",
    "septa": "septum",
    "cilia": "cilium",
    "flagella": "flagellum",
    "axes": "axis",
    "somata": "soma",
    "stomata": "stoma",
    "genera": "genus",
    "indices": "index",
    "matrices": "matrix",
    "cortices": "cortex",
    "children": "child",
    "people": "person",
    "men": "man",
    "women": "woman",
}
_NUMERALS = dict(
    zip("i ii iii iv v vi vii viii ix x xi xii xiii xiv xv".split(), map(str, range(1, 16)), strict=True)
) | dict(zip("one two three four five six seven eight nine ten".split(), map(str, range(1, 11)), strict=True))
_SPELLING = (
    (re.compile("[ao]e"), "e"),
    (re.compile("our(?=$|ed$|s$)"), "or"),
    (re.compile("sulph"), "sulf"),
    (re.compile("is(?=ation$|ed$|ing$|e$)"), "iz"),
    (re.compile("ys(?=ed$|ing$|e$)"), "yz"),
    (re.compile("([bt])re$"), r"\1er"),
    (re.compile("ll(?=ed$|ing$)"), "l"),
    (re.compile("^grey"), "gray"),
    (re.compile("ogue$"), "og"),
)
_ENDINGS = re.compile(
    r"(?<=\w{4})(?:"
    r"ically|ical|ally|inergic|ergic|onic|onal|etic|etal|inal|eal|ial|ic|al|ar|ous|oid|ed|ing|ary|"
    r"ium|ion|ia|us|um|is|on|ian|an|ei|i|ae|es|a|e|y"
    r")$"
)
SMALL_WORDS = frozenset("of the a an in from for to and by with at on".split())
"""Words that a word key leaves out, unless nothing else remains."""
LITTLE_WORDS = frozenset("cell region site sequence element complex molecule body type group".split())
"""Words that a loose key leaves out too, unless nothing else remains."""


def fold(text: str) -> str:
    """Fold case, marks, Greek letters, dashes and quotes.

    text (str): any text; its first `MAX_NAME` characters are read.
    RETURNS (str): the text in lower case, Greek letters by their names, letters without marks.

    >>> fold("Müller glia"), fold("IL‑1β"), fold("Ca²⁺"), fold("5′ UTR")
    ('muller glia', 'il-1beta', 'ca2+', "5' utr")
    """
    text = text[:MAX_NAME]
    if not text.isascii():
        text = "".join(map(_fold_character, text))
    return text.lower().translate(_QUOTES)


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character.isascii() or character in "‘’′´“”″":
        return character
    decomposed = unicodedata.normalize("NFKD", character)
    if decomposed != character:
        return "".join(map(_fold_character, decomposed))
    category = unicodedata.category(character)
    if category in ("Mn", "Cf"):
        return ""
    if category == "Pd" or character == _MINUS:
        return "-"
    name = unicodedata.name(character, "").split()
    if name[:1] == ["GREEK"] and "LETTER" in name:
        return name[-1].lower().replace("lamda", "lambda")
    return character.casefold()


def singular(word: str) -> str:
    """The singular of a word in lower case, by its ending; a word that looks like none stays.

    >>> [singular(word) for word in ["neurons", "bodies", "classes", "mice", "virus", "ES", "caveolae"]]
    ['neuron', 'body', 'class', 'mouse', 'virus', 'ES', 'caveola']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("ae") and len(word) > 4:
        return word[:-1]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def exact_key(name: str) -> str:
    """What is left of a name if case, Greek letters, hyphens, spaces and the plural do not count.

    RETURNS (str): the key; of a name of hyphens and slashes alone these, of white space alone "".

    >>> exact_key("β-catenins"), exact_key("Beta catenin"), exact_key("wild-type"), exact_key("+/-")
    ('betacatenin', 'betacatenin', 'wildtype', '+')
    >>> exact_key("-/-"), exact_key(" ")
    ('-/-', '')
    """
    folded = fold(name).strip()
    words = _SEPARATORS.sub(" ", folded).split()
    if not words:
        return folded
    words[-1] = singular(words[-1])
    return "".join(words)


def word_key(name: str) -> str:
    """The stems of a name in alphabetical order, without `SMALL_WORDS`.

    RETURNS (str): stems with one blank between them; "" if the name has no word.

    >>> word_key("arm of chromosome"), word_key("chromosomal arms")
    ('arm chromosom', 'arm chromosom')
    >>> word_key("type II muscle fibres") == word_key("Type 2 muscle fiber")
    True
    """
    return _stems(_words(name))


def loose_key(name: str) -> str:
    """The stems of a name in alphabetical order, without `SMALL_WORDS` and `LITTLE_WORDS`.

    RETURNS (str): stems with one blank between them; "" if the name has no word.

    >>> loose_key("FRT site"), loose_key("cell of epidermis"), loose_key("cell body")
    ('frt', 'epiderm', 'body cell')
    """
    words = _words(name)
    return _stems([word for word in words if word not in LITTLE_WORDS] or words)


def name_keys(name: str) -> tuple[str, str, str]:
    """The exact, the word and the loose key of a name.

    >>> name_keys("The basal cells of epidermis")
    ('thebasalcellsofepidermis', 'basal cell epiderm', 'basal epiderm')
    """
    words = _words(name)
    telling = [word for word in words if word not in LITTLE_WORDS] or words
    return exact_key(name), _stems(words), _stems(telling)


def _words(name: str) -> list[str]:
    words = _WORD_SEPARATORS.sub(" ", fold(name)).split()
    whole = [_NUMERALS.get(word) or singular(word) for word in words]
    return [word for word in whole if word not in SMALL_WORDS] or whole


def _stems(words: list[str]) -> str:
    return " ".join(sorted(map(stem, words)))


def stem(word: str) -> str:
    """A word in lower case without what differs by spelling, and without its ending as noun or adjective.

    >>> stem("mitochondrion") == stem("mitochondrial"), stem("tumour") == stem("tumor")
    (True, True)
    >>> stem("haem"), stem("centrosomal"), stem("p53")
    ('hem', 'centrosom', 'p53')
    """
    for pattern, replacement in _SPELLING:
        word = pattern.sub(replacement, word)
    return _ENDINGS.sub("", word)
