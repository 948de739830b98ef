"""CRAFT-IOB and the articles it was made of, as spaCy Docs with exact character offsets.

The corpus (GitHub cambridgeltl/MTL-Bioinformatics-2016, data/CRAFT-IOB) is folded to ASCII and cut into
words; its articles (GitHub UCDenver-ccp/CRAFT, articles/txt) are not. Folding an article the same way and
leaving out white space makes the sentences substrings of it, in order, so that every label can be put back
on the true text, with exact offsets:

    article   IL-1β ± 2       folded   I L - 1 b e t a + / - 2       corpus   IL  -  1beta  +/-  2
              0123456 8                0 1 2 3 4 4 4 4 6 6 6 8                0-2 2-3 3-5   6-7  8-9
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example, iob_to_biluo
from spacy.training.iob_utils import tags_to_entities
from spacy.vocab import Vocab

from .labels import LABEL_OF_CORPUS_TAG

# What the corpus writes for characters that neither a decomposition, a Greek name nor a category explains:
# found by comparing each article with its sentences.
ASCII_OF_CHARACTER = {
    "\N{DEGREE SIGN}": "degrees",
    "\N{TRADE MARK SIGN}": "(TM)",
    "\N{REGISTERED SIGN}": "(R)",
    "\N{MICRO SIGN}": "micro",
    "\N{CURRENCY SIGN}": "currency",
    "\N{PLUS-MINUS SIGN}": "+/-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MINUS SIGN}": "-",
    "\N{EM DASH}": "--",
    "\N{PRIME}": "'",
    "\N{TILDE OPERATOR}": "~",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{RIGHTWARDS ARROW}": "-->",
    "\N{LEFT RIGHT ARROW}": "<-->",
    "\N{MIDDLE DOT}": ".",
    "\N{DOT OPERATOR}": ".",
    "\N{BULLET}": "*",
    "\N{DAGGER}": "+",
    "\N{DOUBLE DAGGER}": "++",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
}
# How far behind the last placed sentence the next one may begin, in folded characters.
REACH = 2000
LEFTOVER_TOKEN = re.compile(r"\w+|[^\w\s]")


class Sentence(NamedTuple):
    """One sentence of the corpus.

    words (tuple[str, ...]): its words, folded to ASCII.
    tags (tuple[str, ...]): one tag a word: ``O``, ``B-Protein``, ``I-Protein``, ...
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]


class Folded(NamedTuple):
    """A text folded to ASCII, without white space.

    text (str): the folded text.
    origin (tuple[int, ...]): for each character of it, the index of its source character.
    """

    text: str
    origin: tuple[int, ...]


class PlacedSentence(NamedTuple):
    """A sentence and where its words stand in the article.

    sentence (Sentence): the sentence.
    spans (tuple[tuple[int, int], ...] | None): start and end of each word, in characters of the article;
        None: the sentence was not found, or has no place.
    """

    sentence: Sentence
    spans: tuple[tuple[int, int], ...] | None


class Article(NamedTuple):
    """One article and all its sentences, in order.

    pmid (str): its number in PubMed.
    text (str): its true text.
    sentences (tuple[PlacedSentence, ...]): every sentence that the corpus has of it.
    """

    pmid: str
    text: str
    sentences: tuple[PlacedSentence, ...]

    @property
    def unplaced(self) -> list[Sentence]:
        """The sentences that have no place in the text."""
        return [placed.sentence for placed in self.sentences if placed.spans is None]

    @property
    def entities(self) -> list[tuple[int, int, str]]:
        """Start, end (characters of the text) and label of each entity of the placed sentences, in order."""
        return [
            (spans[first][0], spans[last][1], label)
            for sentence, spans in self.sentences
            if spans is not None
            for label, first, last in entities_of_tags(sentence.tags)
        ]


def entities_of_tags(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Read entities from tags. A ``B-`` begins a new entity, also right behind another one.

    tags (Sequence[str]): IOB tags of one sentence.
    RETURNS (list[tuple[str, int, int]]): label, first word, last word (inclusive).

    >>> entities_of_tags(["B-Taxon", "B-Protein", "I-Protein", "O"])
    [('Taxon', 0, 0), ('Protein', 1, 2)]
    """
    return tags_to_entities(iob_to_biluo(tags))


def read_iob(path: str | Path) -> list[Sentence]:
    """Read CRAFT-IOB: a word, a tab and a tag on each line, a blank line behind each sentence.

    path (str | Path): the file, in UTF-8.
    RETURNS (list[Sentence]): its sentences, the corpus's tags (``B-GGP``) turned into ours (``B-Protein``).
    RAISES (ValueError): a line is not UTF-8, has not two columns, has an unknown tag, or an ``I-`` that
        continues nothing.
    RAISES (OSError): the file cannot be read.
    """
    sentences: list[Sentence] = []
    words: list[str] = []
    tags: list[str] = []
    for number, raw in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        place = f"{path}, line {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
        except UnicodeDecodeError as error:
            reason = f"{error.reason} at byte {error.start}"
            raise ValueError(f"{place}: {raw!r} has to be UTF-8 ({reason}).") from error
        if not line:
            if words:
                sentences.append(Sentence(tuple(words), tuple(tags)))
                words, tags = [], []
            continue
        columns = line.split("\t")
        if len(columns) != 2 or not columns[0].strip():
            raise ValueError(f"{place}: {line!r} has to be one word, one tab and one tag.")
        words.append(columns[0])
        tags.append(_label_tag(columns[1], tags[-1] if tags else "O", place))
    if words:
        sentences.append(Sentence(tuple(words), tuple(tags)))
    return sentences


def _label_tag(corpus_tag: str, previous: str, place: str) -> str:
    if corpus_tag == "O":
        return "O"
    prefix, _, name = corpus_tag.partition("-")
    if prefix not in ("B", "I") or name not in LABEL_OF_CORPUS_TAG:
        allowed = ", ".join(LABEL_OF_CORPUS_TAG)
        raise ValueError(f"{place}: unknown tag {corpus_tag!r}; allowed: O, B- and I- with one of {allowed}.")
    label = LABEL_OF_CORPUS_TAG[name]
    if prefix == "I" and previous not in (f"B-{label}", f"I-{label}"):
        raise ValueError(
            f"{place}: {corpus_tag!r} continues nothing; allowed only behind B-{name} or I-{name}."
        )
    return f"{prefix}-{label}"


def read_articles(folder: str | Path) -> dict[str, str]:
    """Read the articles' texts, unchanged (line ends too).

    folder (str | Path): holds ``PMID.txt`` files in UTF-8.
    RETURNS (dict[str, str]): text by PMID, sorted by PMID.
    RAISES (ValueError): a file is not UTF-8.
    RAISES (FileNotFoundError): the folder holds no ``.txt`` file.
    """
    texts = {}
    for path in sorted(Path(folder).glob("*.txt")):
        try:
            texts[path.stem] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} has to be UTF-8 ({error.reason} at byte {error.start}).") from error
    if not texts:
        raise FileNotFoundError(f"No articles: {folder} holds no PMID.txt file.")
    return texts


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character.isspace():
        return ""
    if character.isascii():
        return character
    if character in ASCII_OF_CHARACTER:
        return ASCII_OF_CHARACTER[character]
    decomposed = unicodedata.normalize("NFKD", character)
    if decomposed != character:
        return "".join(map(_fold_character, decomposed))
    category = unicodedata.category(character)
    name = unicodedata.name(character, "")
    if category.startswith("M"):
        return ""
    if name.startswith(("GREEK SMALL LETTER ", "GREEK CAPITAL LETTER ")):
        letter = name.split()[-1].replace("LAMDA", "LAMBDA")
        return letter.lower() if "SMALL" in name else letter.capitalize()
    if category == "Pd":
        return "-"
    if "QUOTATION MARK" in name:
        return '"' if "DOUBLE" in name else "'"
    return character


def fold(text: str) -> Folded:
    """Fold true text to the ASCII of CRAFT-IOB and leave out white space.

    A character is folded by `ASCII_OF_CHARACTER`, else by its compatibility decomposition without marks, else
    a Greek letter by its name, a dash to ``-`` and a quotation mark to ``"`` or ``'``. Any other character
    stays as it is.

    text (str): any text.
    RETURNS (Folded): the folded text, and the source index of each of its characters.

    >>> fold("5 \N{MICRO SIGN}M β")
    Folded(text='5microMbeta', origin=(0, 2, 2, 2, 2, 2, 3, 5, 5, 5, 5))
    """
    pieces = [_fold_character(character) for character in text]
    origin = tuple(index for index, piece in enumerate(pieces) for _ in piece)
    return Folded("".join(pieces), origin)


def project(sentences: Iterable[Sentence], articles: Mapping[str, str], reach: int = REACH) -> list[Article]:
    """Put the corpus's sentences back on the true text of their articles.

    A sentence that equals the title (first line) of an article not met before begins that article. Sentences
    are looked for in order: right behind the last placed one, else at the next place behind white space that
    is no farther away than `reach` plus twice the length of the sentences not found since. So a sentence that
    is not in the text costs neither its neighbours nor the rest of the article.

    A source character is never cut. Where several corpus words fall on one (``+ / -`` on one plus-minus
    sign), each of them gets the span of the whole character, and an entity on one of them is that character.
    A sentence in which two entities would share a character has no place: no entity is dropped or shortened
    silently, and the next sentence is looked for behind it. Combining marks behind a word belong to it.

    sentences (Iterable[Sentence]): the sentences of a split, documents one behind the other.
    articles (Mapping[str, str]): true text by PMID; articles of other splits may be among them.
    reach (int): how far a sentence may be from the one before it, in folded characters.
    RETURNS (list[Article]): the articles met, in the corpus's order, each with all its sentences.
    RAISES (ValueError): `reach` is negative, the first sentence is no article's title, or a sentence has no
        word, an empty one, or not one tag a word.

    >>> first = Sentence(("beta", "cells"), ("B-Cell", "I-Cell"))
    >>> second = Sentence(("2", "+", "/", "-", "1"), ("O",) * 5)
    >>> [article] = project([first, second], {"7": "β cells\\n2±1"})
    >>> [placed.spans for placed in article.sentences]
    [((0, 1), (2, 7)), ((8, 9), (9, 10), (9, 10), (9, 10), (10, 11))]
    >>> article.entities
    [(0, 7, 'Cell')]
    """
    if reach < 0:
        raise ValueError(f"reach = {reach}: has to be 0 or more folded characters.")
    titles = {fold(text.lstrip().partition("\n")[0]).text: pmid for pmid, text in articles.items()}
    documents: list[tuple[str, list[Sentence]]] = []
    for number, sentence in enumerate(sentences, start=1):
        if not sentence.words or not all(sentence.words) or len(sentence.words) != len(sentence.tags):
            raise ValueError(f"Sentence {number} has to hold words and one tag for each: {sentence}.")
        pmid = titles.pop("".join(sentence.words), None)
        if pmid is not None:
            documents.append((pmid, []))
        if not documents:
            found = " ".join(sentence.words)
            raise ValueError(
                f"The first sentence, {found!r}, has to be the title of one of {len(articles)} articles."
            )
        documents[-1][1].append(sentence)
    return [_place(pmid, articles[pmid], group, reach) for pmid, group in documents]


def _place(pmid: str, text: str, sentences: list[Sentence], reach: int) -> Article:
    folded = fold(text)
    cursor = pending = 0
    placed = []
    for sentence in sentences:
        length = sum(map(len, sentence.words))
        begin = _find("".join(sentence.words), text, folded, cursor, cursor + reach + 2 * pending)
        spans = None if begin is None else _word_spans(sentence, text, folded, begin)
        if begin is None:
            pending += length
        else:
            cursor, pending = begin + length, 0
        placed.append(PlacedSentence(sentence, spans))
    return Article(pmid, text, tuple(placed))


def _find(wanted: str, text: str, folded: Folded, cursor: int, last: int) -> int | None:
    """Where in the folded text `wanted` begins: at `cursor`, or behind white space from there to `last`."""
    origin = folded.origin
    begin = folded.text.find(wanted, cursor, last + len(wanted))
    while begin >= 0:
        end = begin + len(wanted)
        at_border = begin == cursor or text[origin[begin] - 1].isspace()
        cuts_first = begin > 0 and origin[begin] == origin[begin - 1]
        cuts_last = end < len(origin) and origin[end] == origin[end - 1]
        if at_border and not cuts_first and not cuts_last:
            return begin
        begin = folded.text.find(wanted, begin + 1, last + len(wanted))
    return None


def _word_spans(
    sentence: Sentence, text: str, folded: Folded, begin: int
) -> tuple[tuple[int, int], ...] | None:
    """Source span of each word; None where two entities would share a source character."""
    spans = []
    for word in sentence.words:
        end = folded.origin[begin + len(word) - 1] + 1
        while end < len(text) and unicodedata.category(text[end]).startswith("M"):
            end += 1
        spans.append((folded.origin[begin], end))
        begin += len(word)
    entities = entities_of_tags(sentence.tags)
    for (_, _, last), (_, first, _) in pairwise(entities):
        if spans[first][0] < spans[last][1]:
            return None
    return tuple(spans)


def article_doc(vocab: Vocab, article: Article) -> Doc:
    """Make the Doc of an article's true text: ``doc.text == article.text``, character by character.

    Tokens are the corpus's words, tokens of white space other than a single space behind a token, and, for
    text of no placed sentence, runs of word characters and single other characters. Words that share a source
    character are cut around it, so that every entity begins and ends with a token. Each placed sentence and
    each run of leftover text begins a sentence; white space belongs to the sentence before it (at the start
    of the text: to the first).

    What the corpus says of leftover text is not known: its tokens' entity tag is *missing*, not O, so that
    neither the loss nor the score takes them for gold. Tokens of white space are O, or inside the entity
    around them.

    vocab (Vocab): the pipeline's vocabulary.
    article (Article): the article.
    RETURNS (Doc): with ``doc.ents``, sentence starts and ``doc.user_data["pmid"]``.

    >>> sentences = [Sentence(("beta", "cells"), ("B-Cell", "I-Cell"))]
    >>> [article] = project(sentences, {"7": "β cells\\n\\nMore."})
    >>> [(token.text, token.ent_iob_) for token in article_doc(Vocab(), article)]
    [('β', 'B'), ('cells', 'I'), ('\\n\\n', 'O'), ('More', ''), ('.', '')]
    """
    text = article.text
    tokens: list[tuple[int, int]] = []
    sentence_begins: set[int] = set()
    leftover_begins: set[int] = set()
    for spans in [*(placed.spans for placed in article.sentences if placed.spans is not None), ()]:
        left = tokens[-1][1] if tokens else 0
        right = spans[0][0] if spans else len(text)
        leftover = [match.span() for match in LEFTOVER_TOKEN.finditer(text, left, right)]
        borders = sorted({border for span in spans for border in span})
        words = [(start, end) for start, end in pairwise(borders) if not text[start:end].isspace()]
        for run in (leftover, words):
            sentence_begins.update(start for start, _ in run[:1])
            tokens.extend(run)
        leftover_begins.update(start for start, _ in leftover)
    pieces, spaces = _with_white_space(text, tokens)
    begins = [start for start, _ in pieces]
    sent_starts: list[bool | int | None] = [begin in sentence_begins for begin in begins]
    if begins and begins[0] not in sentence_begins:
        sent_starts[:2] = [True, False][: len(begins)]
    doc = Doc(
        vocab,
        words=[text[start:end] for start, end in pieces],
        spaces=spaces,
        sent_starts=sent_starts,
        user_data={"pmid": article.pmid},
    )
    first = {start: index for index, (start, _) in enumerate(pieces)}
    behind = {end: index for index, (_, end) in enumerate(pieces, start=1)}
    entities = [Span(doc, first[start], behind[end], label=label) for start, end, label in article.entities]
    missing = [doc[index : index + 1] for index, begin in enumerate(begins) if begin in leftover_begins]
    doc.set_ents(entities, missing=missing)
    return doc


def _with_white_space(text: str, tokens: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[bool]]:
    """The tokens with what stands between them as tokens too, and for each whether one space follows it."""
    pieces: list[tuple[int, int]] = []
    spaces: list[bool] = []
    cursor = 0
    for start, end in [*tokens, (len(text), len(text))]:
        if pieces and cursor < start and text[cursor] == " ":
            spaces[-1] = True
            cursor += 1
        for piece in ((cursor, start), (start, end)):
            if piece[0] < piece[1]:
                pieces.append(piece)
                spaces.append(False)
        cursor = end
    return pieces, spaces


def iob_doc(vocab: Vocab, sentences: Iterable[Sentence], pmid: str) -> Doc:
    """Make the Doc of the corpus's own text: its words are the tokens, one to one, joined by one space.

    vocab (Vocab): the pipeline's vocabulary.
    sentences (Iterable[Sentence]): the sentences of one document.
    pmid (str): kept as ``doc.user_data["pmid"]``.
    RETURNS (Doc): with ``doc.ents`` and sentence starts.

    >>> first = Sentence(("mouse", "Pax6"), ("B-Taxon", "B-Protein"))
    >>> doc = iob_doc(Vocab(), [first, Sentence(("Next",), ("O",))], "7")
    >>> doc.text, [(ent.text, ent.label_) for ent in doc.ents], [sent.text for sent in doc.sents]
    ('mouse Pax6 Next', [('mouse', 'Taxon'), ('Pax6', 'Protein')], ['mouse Pax6', 'Next'])
    """
    words: list[str] = []
    tags: list[str] = []
    sent_starts: list[bool | int | None] = []
    for sentence in sentences:
        words.extend(sentence.words)
        tags.extend(sentence.tags)
        sent_starts.extend(index == 0 for index in range(len(sentence.words)))
    spaces = [True] * (len(words) - 1) + [False] * bool(words)
    data = {"pmid": pmid}
    return Doc(vocab, words=words, spaces=spaces, sent_starts=sent_starts, ents=tags, user_data=data)


class SentenceWindows:
    """Corpus reader: each Example is a run of consecutive sentences of one document.

    A window takes sentences until the next one would bring it above `max_tokens`; windows do not overlap. A
    longer sentence is a window of its own, never cut and never dropped, and a sentence border inside an
    entity is no border. White space around a window is left out; a window of white space alone is none.
    """

    def __init__(
        self,
        path: str | Path | None,
        max_tokens: int = 0,
        augmenter: Callable[[Language, Example], Iterator[Example]] | None = None,
    ) -> None:
        """Check the settings; nothing is read yet.

        path (str | Path | None): a ``.spacy`` file, or a folder with such files at any depth.
        max_tokens (int): tokens in a window at most, tokens of white space not counted; 0: each sentence
            alone.
        augmenter (Callable | None): called with the pipeline and each Example, yields those to use instead.
        RAISES (ValueError): `path` is None, or `max_tokens` is not a whole number of 0 or more.
        RAISES (FileNotFoundError): there is no such file, or no ``.spacy`` file in the folder.
        """
        if path is None:
            raise ValueError("path = None: has to be a .spacy file or a folder of them.")
        if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 0:
            raise ValueError(f"max_tokens = {max_tokens!r}: has to be a whole number, 0 or more.")
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"path = {str(path)!r}: there is no such file or folder.")
        self.files = sorted(path.rglob("*.spacy")) if path.is_dir() else [path]
        if not self.files:
            raise FileNotFoundError(f"path = {str(path)!r}: the folder holds no .spacy file.")
        self.max_tokens = max_tokens
        self.augmenter = augmenter

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the files.

        nlp (Language): its tokenizer makes the predicted Docs, its vocabulary the reference Docs.
        YIELDS (Example): predicted is ``nlp.make_doc`` of the window's text; reference holds the window with
            its tokens, entities (adjacent ones apart), missing tags, sentence starts and user data.
        RAISES (ValueError): a document has no sentence starts.
        """
        for file in self.files:
            for number, doc in enumerate(DocBin().from_disk(file).get_docs(nlp.vocab), start=1):
                if len(doc) and not doc.has_annotation("SENT_START"):
                    raise ValueError(f"{file}, document {number}: has to hold sentence starts.")
                # Made once a document: as_doc would turn the whole document into an array for each window.
                # It writes into its window's rows, which no other window has.
                attributes = list(doc._get_array_attrs())
                array = doc.to_array(attributes)
                for window in sentence_windows(doc, self.max_tokens):
                    reference = window.as_doc(  # type: ignore[call-arg]  # spaCy's stub lacks two arguments
                        copy_user_data=True, array_head=attributes, array=array
                    )
                    example = Example(nlp.make_doc(reference.text), reference)
                    if self.augmenter is None:
                        yield example
                    else:
                        yield from self.augmenter(nlp, example)


def sentence_windows(doc: Doc, max_tokens: int) -> list[Span]:
    """Group a Doc's sentences into windows; see `SentenceWindows` for the rules.

    doc (Doc): with sentence starts.
    max_tokens (int): tokens in a window at most, tokens of white space not counted; 0: each sentence alone.
    RETURNS (list[Span]): the windows in order, without white space around them.

    >>> doc = Doc(Vocab(), words=list("aabccc"), sent_starts=[True, False, True, True, False, False])
    >>> [window.text for window in sentence_windows(doc, 3)]
    ['a a b', 'c c c']
    """
    if not len(doc):
        return []
    borders = [sent.start for sent in doc.sents if sent.start == 0 or doc[sent.start].ent_iob_ != "I"]
    windows: list[tuple[int, int]] = []
    room = 0
    for start, end in pairwise([*borders, len(doc)]):
        count = sum(not token.text.isspace() for token in doc[start:end])
        if windows and count <= room:
            windows[-1] = (windows[-1][0], end)
            room -= count
        else:
            windows.append((start, end))
            room = max_tokens - count
    trimmed = (_trim(doc, start, end) for start, end in windows)
    return [window for window in trimmed if len(window)]


def _trim(doc: Doc, start: int, end: int) -> Span:
    while start < end and doc[start].text.isspace():
        start += 1
    while start < end and doc[end - 1].text.isspace():
        end -= 1
    return doc[start:end]
