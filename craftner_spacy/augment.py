"""Entity replacement: new training examples by putting other names of the same label in place of mentions.

The augmentation that the model card of ``biobert`` tells of, as a spaCy augmenter. The names of a label come
from an ontology, where one is given, else from the mentions of the training split:

    text        Sam68 binds in mouse spermatocytes .
    entities    B-Protein    B-Taxon B-Cell           drawn for the Cell: "mast cell"
    new text    Sam68 binds in mouse mast cell .
    entities    B-Protein    B-Taxon B-Cell I-Cell
"""

import gzip
import io
import random
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab

OBO_SUFFIXES = (".obo", ".obo.gz", ".zip")
# Behind its tag, a synonym is: "text" SCOPE TYPE [xrefs], the type optional.
EXACT_SYNONYM = re.compile(r'"((?:[^"\\]|\\.)*)"\s+EXACT\b')
ESCAPE = re.compile(r"\\(.)")
ESCAPED_WHITE_SPACE = {"n": "\n", "t": "\t", "W": " "}


def make_entity_replacement(
    level: float = 0.2,
    path: str | Path | None = None,
    ontologies: Mapping[str, str | Path] = {},
    labels: list[str] | None = None,
    consistent: bool = True,
    seed: int = 0,
    keep_original: bool = False,
) -> "EntityReplacement":
    """Make the augmenter ``craftner_spacy.entity_replacement.v1``; files are read here, once.

    level (float): share of the entities that are replaced, from 0 to 1.
    path (str | Path | None): the training split, a ``.spacy`` file or a folder with such files at any depth:
        its mentions are the names of every label without an ontology.
    ontologies (Mapping[str, str | Path]): OBO file by label: ``.obo``, ``.obo.gz``, or a ``.zip`` with one
        ``.obo`` in it. Files of labels that are not replaced are not read.
    labels (list[str] | None): the labels whose entities are replaced; None: all that have names. Entities of
        other labels stay, and `level` does not count them.
    consistent (bool): whether, in one Example, all entities of one text and label have one fate: the same
        name in place, or none.
    seed (int): of the draws. Two augmenters made alike give the same Examples for the same Examples.
    keep_original (bool): whether an Example is also yielded unchanged, ahead of its new one.
    RETURNS (EntityReplacement): the augmenter.
    RAISES (ValueError): a setting has a wrong value, a label has no names, or a file is malformed.
    RAISES (FileNotFoundError): a file is missing, or there is no ``.spacy`` file in the folder.
    RAISES (ImportError): an OBO file has to be read, and obonet is not installed.
    """
    names = _names_by_label(path, ontologies, labels)
    return EntityReplacement(names, level, consistent, seed, keep_original)


class EntityReplacement:
    """Augmenter that puts drawn names in place of entities.

    Each name of a label is drawn with the same probability, however often or seldom it is written. The
    mention's own text is never drawn; an entity stays where its text is the only name. So does an entity
    that begins or ends with white space.

    >>> import spacy
    >>> augment = EntityReplacement({"Cell": ["mast cell"]}, level=1.0)
    >>> nlp = spacy.blank("en")
    >>> doc = Doc(nlp.vocab, words=["Two", "spermatocytes", "."], ents=["O", "B-Cell", "O"])
    >>> [example] = augment(nlp, Example(nlp.make_doc(doc.text), doc))
    >>> example.text, [(ent.text, ent.label_) for ent in example.reference.ents]
    ('Two mast cell . ', [('mast cell', 'Cell')])
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[str]],
        level: float = 0.2,
        consistent: bool = True,
        seed: int = 0,
        keep_original: bool = False,
    ) -> None:
        """Check the settings; see `make_entity_replacement` for them.

        names (Mapping[str, Sequence[str]]): the names by label, none empty. Runs of white space in a name
            are read as one blank.
        RAISES (ValueError): a setting has a wrong value.
        """
        if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 <= level <= 1:
            raise ValueError(f"level = {level!r}: has to be a number from 0 to 1.")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ValueError(f"seed = {seed!r}: has to be a whole number.")
        for setting, value in (("consistent", consistent), ("keep_original", keep_original)):
            if not isinstance(value, bool):
                raise ValueError(f"{setting} = {value!r}: has to be true or false.")
        self.names = {label: tuple(sorted({_one_line(name) for name in of})) for label, of in names.items()}
        for label, of_label in self.names.items():
            if not all(of_label):
                raise ValueError(f"names of {label!r}: none of them may be empty or white space alone.")
        self.level = level
        self.consistent = consistent
        self.keep_original = keep_original
        self.random = random.Random(seed)

    def __call__(self, nlp: Language, example: Example) -> Iterator[Example]:
        """Augment one Example.

        nlp (Language): its tokenizer makes the tokens of the names, and the predicted Doc.
        example (Example): its reference has the entities; see `replace_entities` for what stays of it.
        YIELDS (Example): the new Example; the very same object where nothing was replaced.
        """
        names = self._draw(example.reference.ents)
        if self.keep_original or not names:
            yield example
        if names:
            reference = replace_entities(example.reference, names, nlp.tokenizer)
            yield Example(nlp.make_doc(reference.text), reference)

    def _draw(self, entities: Sequence[Span]) -> dict[int, str]:
        """The entities to replace, by their number, and the name for each."""
        drawn: dict[int, str] = {}
        fates: dict[tuple[str, str], str | None] = {}
        for number, entity in enumerate(entities):
            text, label = entity.text, entity.label_
            if label not in self.names or text[0].isspace() or text[-1].isspace():
                continue
            fate = (_one_line(text), label)
            if not self.consistent or fate not in fates:
                fates[fate] = self._draw_name(*fate)
            name = fates[fate]
            if name is not None:
                drawn[number] = name
        return drawn

    def _draw_name(self, mention: str, label: str) -> str | None:
        names = self.names[label]
        if self.random.random() >= self.level or not names or names == (mention,):
            return None
        name = mention
        while name == mention:
            name = self.random.choice(names)
        return name


def replace_entities(reference: Doc, names: Mapping[int, str], tokenizer: Callable[[str], Doc]) -> Doc:
    """Make a Doc anew with names in place of some of its entities.

    All other text stays, and so do its tokens, with their entities (adjacent ones apart, with their ids),
    missing and blocked tags and sentence starts. White space around a mention stays, and a sentence start on
    its first token; one inside it goes. The Doc keeps its categories and its user data, custom attributes of
    tokens and spans at their new places. What was said of a replaced mention itself, or of a part of it,
    goes: its ids and custom attributes. Span groups, tags, lemmas, morphology and dependencies are not
    carried over.

    reference (Doc): with entities.
    names (Mapping[int, str]): name by the entity's number in ``reference.ents``; not empty, without white
        space around it.
    tokenizer (Callable[[str], Doc]): makes the tokens of a name.
    RETURNS (Doc): a new Doc, of the same vocabulary.

    >>> from spacy.tokenizer import Tokenizer
    >>> doc = Doc(Vocab(), words=["mice", "Pax6", "!"], spaces=[1, 0, 0], ents=["B-Taxon", "B-Protein", "O"])
    >>> new = replace_entities(doc, {0: "Mus musculus"}, Tokenizer(doc.vocab))
    >>> new.text, [(token.text, token.ent_iob_) for token in new]
    ('Mus musculus Pax6!', [('Mus', 'B'), ('musculus', 'I'), ('Pax6', 'B'), ('!', 'O')])
    """
    words: list[str] = []
    spaces: list[bool] = []
    sent_starts: list[bool | int | None] = []
    missing: list[int] = []
    blocked: list[int] = []
    # From the borders between old tokens to those between new ones; borders inside a replaced mention: none.
    borders: dict[int, int] = {}
    ents = reference.ents
    mentions = {number: ents[number] for number in sorted(names)}
    cursor = 0
    for number, mention in [*mentions.items(), (None, reference[len(reference) :])]:
        for token in reference[cursor : mention.start]:
            if token.ent_iob == 0:
                missing.append(len(words))
            elif token.ent_iob == 3 and token.ent_type == 0:
                blocked.append(len(words))
            borders[token.i] = len(words)
            words.append(token.text)
            spaces.append(bool(token.whitespace_))
            sent_starts.append(token.is_sent_start)
        borders[mention.start] = len(words)
        if number is not None:
            tokens = tokenizer(names[number])
            words.extend(token.text for token in tokens)
            spaces.extend(bool(token.whitespace_) for token in tokens)
            spaces[-1] = bool(mention[-1].whitespace_)
            begins = mention[0].is_sent_start
            sent_starts.extend([begins] + [None if begins is None else False] * (len(tokens) - 1))
        cursor = mention.end
    doc = Doc(reference.vocab, words=words, spaces=spaces, sent_starts=sent_starts)
    doc.cats = dict(reference.cats)
    doc.user_data = _moved_user_data(reference, doc, borders, list(mentions.values()))
    entities = []
    for number, entity in enumerate(ents):
        kb_id, span_id = (0, 0) if number in names else (entity.kb_id, entity.id)
        start, end = borders[entity.start], borders[entity.end]
        entities.append(Span(doc, start, end, label=entity.label, kb_id=kb_id, span_id=span_id))
    doc.set_ents(
        entities,
        missing=[doc[index : index + 1] for index in missing],
        blocked=[doc[index : index + 1] for index in blocked],
    )
    return doc


def _moved_user_data(old: Doc, new: Doc, borders: Mapping[int, int], mentions: list[Span]) -> dict[Any, Any]:
    """User data for the new Doc. spaCy has custom attributes there, by characters:
    ``("._.", attribute, start, end)``, the end None for a token, both None for the Doc.
    """
    starts = {old[i].idx: new[j].idx for i, j in borders.items() if i < len(old)}
    ends = {_end(old, i): _end(new, j) for i, j in borders.items() if i > 0}
    gone = {(mention.start_char, end) for mention in mentions for end in (mention.end_char, None)}
    old_data: dict[Any, Any] = old.user_data
    user_data: dict[Any, Any] = {}
    for key, value in old_data.items():
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and key[2] is not None:
            _, attribute, start, end = key
            if (start, end) in gone or start not in starts or (end is not None and end not in ends):
                continue
            key = ("._.", attribute, starts[start], None if end is None else ends[end])
        user_data[key] = value
    return user_data


def _end(doc: Doc, border: int) -> int:
    return doc[border - 1].idx + len(doc[border - 1])


def read_mentions(path: str | Path) -> dict[str, list[str]]:
    """Read the distinct mentions of each label from spaCy's training data.

    path (str | Path): a ``.spacy`` file, or a folder with such files at any depth.
    RETURNS (dict[str, list[str]]): mentions by label, both sorted; runs of white space are one blank.
    RAISES (ValueError): a file is not a DocBin.
    RAISES (FileNotFoundError): there is no such file, or no ``.spacy`` file in the folder.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"path = {str(path)!r}: there is no such file or folder.")
    files = sorted(path.rglob("*.spacy")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(f"path = {str(path)!r}: the folder holds no .spacy file.")
    mentions: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        try:
            docs = DocBin().from_disk(file)
        except (zlib.error, ValueError, KeyError) as error:
            raise ValueError(f"path: {str(file)!r} has to be a DocBin ({error!r}).") from error
        for doc in docs.get_docs(Vocab()):
            for entity in doc.ents:
                mentions[entity.label_].add(_one_line(entity.text))
    return {label: sorted(texts - {""}) for label, texts in sorted(mentions.items())}


def read_ontology_names(path: str | Path) -> list[str]:
    """Read names and EXACT synonyms of an ontology's terms; those of obsolete terms are left out.

    An underscore is read as a blank: that is what it stands for in ontologies that write none (most names of
    the Sequence Ontology), and what an author writes. Casing stays as it is.

    path (str | Path): OBO in UTF-8: ``.obo``, ``.obo.gz``, or a ``.zip`` with one ``.obo`` in it.
    RETURNS (list[str]): distinct names, sorted; runs of white space are one blank.
    RAISES (ValueError): the file has another suffix, is not OBO, or has no name.
    RAISES (FileNotFoundError): there is no such file.
    RAISES (ImportError): obonet is not installed.
    """
    try:
        import obonet
    except ImportError as error:
        raise ImportError(
            f"ontologies: reading {str(path)!r} needs obonet: pip install craftner_spacy[augment]"
        ) from error
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"ontologies: {str(path)!r}: there is no such file.")
    if not path.name.lower().endswith(OBO_SUFFIXES):
        raise ValueError(f"ontologies: {str(path)!r} has to end with one of {', '.join(OBO_SUFFIXES)}.")
    try:
        text = _obo_bytes(path).decode("utf-8-sig")
        graph = obonet.read_obo(io.StringIO(text, newline=None), ignore_obsolete=True)
    except (ValueError, KeyError, EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise ValueError(f"ontologies: {str(path)!r} has to be OBO in UTF-8 ({error!r}).") from error
    found = []
    for _, term in graph.nodes(data=True):
        # A node without a name is one that other terms point to, from outside or obsolete.
        found.extend([term["name"]] if "name" in term else [])
        found.extend(match[1] for match in map(EXACT_SYNONYM.match, term.get("synonym", ())) if match)
    names = {_one_line(_unescape(name).replace("_", " ")) for name in found} - {""}
    if not names:
        raise ValueError(f"ontologies: {str(path)!r} has to hold [Term] stanzas with a name; it has none.")
    return sorted(names)


def _obo_bytes(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".obo")]
            if len(members) != 1:
                raise ValueError(f"{len(members)} .obo files in it; has to be one")
            return archive.read(members[0])
    return path.read_bytes()


def _unescape(text: str) -> str:
    return ESCAPE.sub(lambda match: ESCAPED_WHITE_SPACE.get(match[1], match[1]), text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _names_by_label(
    path: str | Path | None, ontologies: Mapping[str, str | Path], labels: list[str] | None
) -> dict[str, Sequence[str]]:
    """The names of each label that is replaced: the ontology's, else the training split's."""
    if not isinstance(ontologies, Mapping):
        raise ValueError(f"ontologies = {ontologies!r}: has to be a mapping from labels to OBO files.")
    for label, file in ontologies.items():
        if not isinstance(label, str) or not label or not isinstance(file, (str, Path)):
            raise ValueError(f"ontologies: {label!r} = {file!r}: has to be a label and the path of its file.")
    if labels is not None and (
        not isinstance(labels, (list, tuple))
        or not labels
        or not all(isinstance(label, str) for label in labels)
    ):
        raise ValueError(f"labels = {labels!r}: has to be a list of one or more labels, or null for all.")
    mentions = {} if path is None else read_mentions(path)
    wanted = sorted({*mentions, *ontologies} if labels is None else labels)
    lacking = [label for label in wanted if label not in ontologies and not mentions.get(label)]
    if lacking or not wanted:
        raise ValueError(
            f"labels = {labels!r}: no names to draw from for {', '.join(lacking) or 'any label'}. Allowed: "
            f"labels with a file in ontologies (has: {', '.join(ontologies) or 'none'}) or with mentions in "
            f"path = {path} (has: {', '.join(mentions) or 'none'})."
        )
    return {
        label: read_ontology_names(ontologies[label]) if label in ontologies else mentions[label]
        for label in wanted
    }
