"""Reading the files of CRAFT-IOB and its articles, and finding the files of a converted corpus.

CRAFT-IOB (GitHub cambridgeltl/MTL-Bioinformatics-2016, data/CRAFT-IOB) is folded to ASCII and split into
words. Its articles (GitHub UCDenver-ccp/CRAFT, articles/txt) are not; `projection` brings both together.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc
from spacy.training import iob_to_biluo
from spacy.training.iob_utils import tags_to_entities
from spacy.vocab import Vocab

from ..labels import LABEL_OF_CORPUS_TAG


class Sentence(NamedTuple):
    """One sentence of the corpus.

    words (tuple[str, ...]): its words, folded to ASCII.
    tags (tuple[str, ...]): one tag for each word: ``O``, ``B-Protein``, ``I-Protein``, ...
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]


def entities_of_tags(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Read entities from tags. A ``B-`` always begins a new entity, even directly after another one.

    tags (Sequence[str]): IOB tags of one sentence.
    RETURNS (list[tuple[str, int, int]]): label, first word, last word (inclusive).

    >>> entities_of_tags(["B-Taxon", "B-Protein", "I-Protein", "O"])
    [('Taxon', 0, 0), ('Protein', 1, 2)]
    """
    return tags_to_entities(iob_to_biluo(tags))


def read_iob(path: str | Path) -> list[Sentence]:
    """Read CRAFT-IOB: on each line a word, a tab and a tag; an empty line after each sentence.

    path (str | Path): the file, in UTF-8.
    RETURNS (list[Sentence]): its sentences, with the corpus's tags (``B-GGP``) replaced by ours
        (``B-Protein``).
    RAISES: ValueError if a line is not UTF-8, does not have two columns, has an unknown tag, or has an ``I-``
        that does not continue an entity; OSError if the file cannot be read.
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
            raise ValueError(f"{place}: {raw!r} has to be UTF-8 ({reason})") from error
        if not line:
            if words:
                sentences.append(Sentence(tuple(words), tuple(tags)))
                words, tags = [], []
            continue
        columns = line.split("\t")
        if len(columns) != 2 or not columns[0].strip():
            raise ValueError(f"{place}: {line!r} has to be one word, one tab and one tag")
        words.append(columns[0])
        tags.append(_label_tag(columns[1], tags[-1] if tags else "O", place))
    if words:
        sentences.append(Sentence(tuple(words), tuple(tags)))
    return sentences


def _label_tag(corpus_tag: str, previous: str, place: str) -> str:
    """Our tag for one of the corpus."""
    if corpus_tag == "O":
        return "O"
    prefix, _, name = corpus_tag.partition("-")
    if prefix not in ("B", "I") or name not in LABEL_OF_CORPUS_TAG:
        allowed = ", ".join(LABEL_OF_CORPUS_TAG)
        raise ValueError(
            f"{place}: unknown tag {corpus_tag!r}: allowed are O, B- and I- with one of {allowed}"
        )
    label = LABEL_OF_CORPUS_TAG[name]
    if prefix == "I" and previous not in (f"B-{label}", f"I-{label}"):
        raise ValueError(
            f"{place}: {corpus_tag!r} continues no entity: it is allowed only after B-{name} or I-{name}"
        )
    return f"{prefix}-{label}"


def read_articles(folder: str | Path) -> dict[str, str]:
    """Read the texts of the articles unchanged, line endings included.

    folder (str | Path): a folder with ``PMID.txt`` files in UTF-8.
    RETURNS (dict[str, str]): text by PMID, sorted by PMID.
    RAISES: ValueError if a file is not UTF-8; FileNotFoundError if the folder has no ``.txt`` file.
    """
    texts = {}
    for path in sorted(Path(folder).glob("*.txt")):
        try:
            texts[path.stem] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} has to be UTF-8 ({error.reason} at byte {error.start})") from error
    if not texts:
        raise FileNotFoundError(f"{folder} has no PMID.txt file, so there are no articles")
    return texts


def iob_doc(vocab: Vocab, sentences: Iterable[Sentence], pmid: str) -> Doc:
    """Make a Doc of the corpus's own text: each word is one token, and single spaces join them.

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


def find_docbins(path: str | Path) -> list[Path]:
    """Find spaCy's training data.

    path (str | Path): a ``.spacy`` file, or a folder with such files at any depth.
    RETURNS (list[Path]): the files, sorted.
    RAISES: FileNotFoundError if the path does not exist, or is a folder without a ``.spacy`` file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"path = {str(path)!r}: there is no such file or folder")
    files = sorted(path.rglob("*.spacy")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(f"path = {str(path)!r}: the folder has no .spacy file")
    return files
