"""Entity replacement: new training examples in which entities are replaced by other names of their label.

This is the augmentation that the model card of ``biobert`` describes, as a spaCy augmenter. The names of a
label come from its ontology if one is given, and otherwise from the mentions of the training split:

    text        Sam68 binds in mouse spermatocytes .
    entities    B-Protein    B-Taxon B-Cell           drawn for the Cell: "mast cell"
    new text    Sam68 binds in mouse mast cell .
    entities    B-Protein    B-Taxon B-Cell I-Cell
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from .entity_names import names_by_label, one_line


def make_entity_replacement(
    level: float = 0.2,
    path: str | Path | None = None,
    ontologies: Mapping[str, str | Path] = {},
    labels: list[str] | None = None,
    consistent: bool = True,
    seed: int = 0,
    keep_original: bool = False,
) -> "EntityReplacement":
    """Make the augmenter ``craftner_spacy.entity_replacement.v1``. The files are read here, once.

    level (float): share of the entities that are replaced, from 0 to 1.
    path (str | Path | None): the training split: a ``.spacy`` file, or a folder with such files at any depth.
        Its mentions are the names of the labels that have no ontology.
    ontologies (Mapping[str, str | Path]): by label the file of its ontology, in OBO, OWL or a table; see
        `linking.ontologies.read_ontology`. Files of labels that are not replaced are not read.
    labels (list[str] | None): the labels whose entities are replaced; None: all that have names. Entities of
        other labels stay, and do not count towards `level`.
    consistent (bool): whether, within an Example, all entities with the same text and label are treated
        alike: all replaced by the same name, or all kept.
    seed (int): of the random draws. Augmenters with the same settings and seed give the same results.
    keep_original (bool): whether the unchanged Example is yielded too, before the new one.
    RETURNS (EntityReplacement): the augmenter.
    RAISES: ValueError if a setting has a wrong value, a label has no names, or a file is malformed;
        FileNotFoundError if a file is missing, or there is no ``.spacy`` file in the folder; ImportError if
        OBO or OWL has to be read and its library is not installed.
    """
    names = names_by_label(path, ontologies, labels)
    return EntityReplacement(names, level, consistent, seed, keep_original)


class EntityReplacement:
    """Augmenter that replaces entities by names drawn at random.

    All names of a label are equally probable, no matter how frequent they are in text. An entity is never
    replaced by its own text, and it stays if its text is the only name. An entity that begins or ends with
    white space stays, too.

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
        """Check the settings; `make_entity_replacement` describes them.

        names (Mapping[str, Sequence[str]]): the names by label, none empty. Each run of white space in a
            name is replaced by one space.
        RAISES: ValueError if a setting has a wrong value.
        """
        if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 <= level <= 1:
            raise ValueError(f"level = {level!r}: allowed are numbers from 0 to 1")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ValueError(f"seed = {seed!r}: allowed are whole numbers")
        for setting, value in (("consistent", consistent), ("keep_original", keep_original)):
            if not isinstance(value, bool):
                raise ValueError(f"{setting} = {value!r}: allowed are true and false")
        self.names = {
            label: tuple(sorted({one_line(name) for name in label_names}))
            for label, label_names in names.items()
        }
        for label, label_names in self.names.items():
            if not all(label_names):
                raise ValueError(f"names of {label!r}: a name has to have other characters than white space")
        self.level = level
        self.consistent = consistent
        self.keep_original = keep_original
        self.random = random.Random(seed)

    def __call__(self, nlp: Language, example: Example) -> Iterator[Example]:
        """Augment one Example.

        nlp (Language): its tokenizer makes the tokens of the names, and the predicted Doc.
        example (Example): its reference has the entities. `replace_entities` describes what is kept of it.
        YIELDS (Example): the new Example; the same object if nothing was replaced.
        """
        names = self._draw(example.reference.ents)
        if self.keep_original or not names:
            yield example
        if names:
            reference = replace_entities(example.reference, names, nlp.tokenizer)
            yield Example(nlp.make_doc(reference.text), reference)

    def _draw(self, entities: Sequence[Span]) -> dict[int, str]:
        """Decide which entities are replaced: the new name by the entity's number."""
        new_names: dict[int, str] = {}
        # What was drawn for a text and label; None: it is kept.
        draws: dict[tuple[str, str], str | None] = {}
        for number, entity in enumerate(entities):
            text, label = entity.text, entity.label_
            if label not in self.names or text[0].isspace() or text[-1].isspace():
                continue
            mention = (one_line(text), label)
            if not self.consistent or mention not in draws:
                draws[mention] = self._draw_name(*mention)
            name = draws[mention]
            if name is not None:
                new_names[number] = name
        return new_names

    def _draw_name(self, mention: str, label: str) -> str | None:
        """A name for a mention; None: it is kept."""
        names = self.names[label]
        if self.random.random() >= self.level or not names or names == (mention,):
            return None
        name = mention
        while name == mention:
            name = self.random.choice(names)
        return name


def replace_entities(reference: Doc, names: Mapping[int, str], tokenizer: Callable[[str], Doc]) -> Doc:
    """Make a copy of a Doc in which some entities are replaced by names.

    Kept are all other text and tokens, with their entities (adjacent ones separate, with their ids), missing
    and blocked tags and sentence starts; the white space around a replaced entity, and a sentence start on
    its first token; the categories of the Doc and its user data, with the custom attributes of tokens and
    spans moved to their new offsets.

    Not kept are a sentence start inside a replaced entity; the ids and custom attributes of a replaced
    entity or of a part of it; span groups, tags, lemmas, morphology and dependencies.

    reference (Doc): with entities.
    names (Mapping[int, str]): name by the entity's number in ``reference.ents``; not empty, without white
        space at either end.
    tokenizer (Callable[[str], Doc]): makes the tokens of a name.
    RETURNS (Doc): a new Doc with the same vocabulary.

    >>> from spacy.vocab import Vocab
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
    # New position of each border between tokens, by its old position. A border inside a replaced entity has
    # no new position.
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
    """User data for the new Doc.

    spaCy keeps custom attributes there, by characters: ``("._.", attribute, start, end)``. The end is None
    for a token's attribute, both are None for the Doc's.
    """
    starts = {old[i].idx: new[j].idx for i, j in borders.items() if i < len(old)}
    ends = {_end(old, i): _end(new, j) for i, j in borders.items() if i > 0}
    replaced = {(mention.start_char, end) for mention in mentions for end in (mention.end_char, None)}
    old_data: dict[Any, Any] = old.user_data
    user_data: dict[Any, Any] = {}
    for key, value in old_data.items():
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and key[2] is not None:
            _, attribute, start, end = key
            if (start, end) in replaced or start not in starts or (end is not None and end not in ends):
                continue
            key = ("._.", attribute, starts[start], None if end is None else ends[end])
        user_data[key] = value
    return user_data


def _end(doc: Doc, border: int) -> int:
    """Where the token before a border ends, in characters."""
    return doc[border - 1].idx + len(doc[border - 1])
