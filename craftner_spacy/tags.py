"""The tags of a model: which there are, what may follow what, and which of them a Doc's annotation spells.

Our models have the BIO scheme: ``B-x`` begins an entity, ``I-x`` continues it and can only follow ``B-x`` or
``I-x``, ``O`` is outside. Two entities may touch. Models of others may have BILOU (``L-x`` ends an entity,
``U-x`` is one of one word), BIOES (``E-x`` and ``S-x`` in their place), or IO (``I-x`` alone: entities of one
label that touch are one).
"""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from spacy.tokens import Doc

from .alignment import exact_words
from .labels import LABELS, is_valid_label
from .types import Bools, Entity, Ints


class TagScheme:
    """The tags of a model, in the order of its outputs, and what may follow what.

    tags (tuple[str, ...]): each once.
    labels (tuple[str, ...]): the labels, in the order of their first tag.
    prefixes (tuple[str, ...]): of each tag: ``O``, ``B``, ``I``, ``L``, ``U``, in IO ``I`` for all.
    label_of (n_tags,): index of each tag's label; -1 for ``O``.
    is_io (bool): whether the scheme is IO.
    continues (n_tags,): tags that continue an entity of the word before.
    may_begin (n_tags,): tags that may stand first.
    may_follow (n_tags, n_tags): [i, j] is true where tag j may follow tag i.
    RAISES: ValueError if a tag is of none of the schemes, stands twice, or an ``I-x`` or ``L-x`` has no
        ``B-x`` where other labels have one.

    >>> TagScheme(("O", "B-Cell", "I-Cell")).may_begin.tolist()
    [True, True, False]
    """

    def __init__(self, tags: tuple[str, ...]) -> None:
        parts = [tag.partition("-") for tag in tags]
        for tag, (prefix, _, label) in zip(tags, parts, strict=True):
            if not (tag == "O" or (prefix in tuple("BILUES") and label)):
                raise ValueError(
                    f"tag {tag!r} is not of the BIO scheme: 'O', 'B-label' or 'I-label'; nor of BILOU, BIOES "
                    "or IO. The id2label of config.json has the names: write others there, such as "
                    f"'I-{label or tag}'"
                )
        if len(set(tags)) != len(tags):
            raise ValueError(f"a tag stands twice in {list(tags)}")
        if "O" not in tags:
            raise ValueError(f"the tag 'O' is missing in {list(tags)}")
        self.is_io = all(prefix in ("I", "O") for prefix, _, _ in parts)
        for prefix, _, label in parts:
            if not self.is_io and prefix in ("I", "L", "E") and f"B-{label}" not in tags:
                raise ValueError(f"tag '{prefix}-{label}' has no 'B-{label}' in {list(tags)}")
        self.tags = tags
        self.labels = tuple(dict.fromkeys(label for _, _, label in parts if label))
        self.index = {tag: i for i, tag in enumerate(tags)}
        self.prefixes = tuple({"E": "L", "S": "U"}.get(prefix, prefix) for prefix, _, _ in parts)
        self.label_of: Ints = np.array([self.labels.index(label) if label else -1 for _, _, label in parts])
        self.continues: Bools = np.array([not self.is_io and p in ("I", "L") for p in self.prefixes])
        self.may_begin: Bools = ~self.continues
        is_open = np.array([prefix in ("B", "I") for prefix in self.prefixes])
        same_label = self.label_of[:, None] == self.label_of
        self.may_follow: Bools = ~self.continues | (same_label & is_open[:, None])

    def tags_of(self, label: str, n_words: int) -> list[int]:
        """The tags of the words of an entity.

        label (str): one of the labels.
        n_words (int): the number of its words; 1 at least.

        >>> scheme = TagScheme(("O", "B-Cell", "I-Cell", "E-Cell", "S-Cell"))
        >>> [scheme.tags[tag] for tag in scheme.tags_of("Cell", 3)], scheme.tags_of("Cell", 1)
        (['B-Cell', 'I-Cell', 'E-Cell'], [4])
        """
        number = self.labels.index(label)
        of_label = {p: i for i, p in enumerate(self.prefixes) if self.label_of[i] == number}
        inside = of_label.get("I", self.index["O"])
        first = of_label.get("B", of_label.get("U", inside))
        if n_words == 1:
            return [of_label.get("U", first)]
        return [first, *[inside] * (n_words - 2), of_label.get("L", inside)]


def read_tags(id2label: Mapping[int, str]) -> TagScheme:
    """The tags of a network, from its configuration.

    id2label (dict[int, str]): name of each output. If the labels are the six of CRAFT but for their
        case (the hub writes ``B-GENE``), they are spelt as this package spells them; others stay.
    RAISES: ValueError if names are missing (``LABEL_0``), hold characters that a label cannot have, or are
        of no scheme that `TagScheme` knows.

    >>> read_tags({0: "B-GENE_OR_GENE_PRODUCT", 1: "O"}).labels
    ('GENE_OR_GENE_PRODUCT',)
    """
    tags = [id2label[i] for i in range(len(id2label))]
    if not has_tag_names(id2label):
        raise ValueError(
            f"the model's labels have no names: {', '.join(tags)}. Name them in the id2label of its "
            "config.json ('O', 'B-Protein', 'I-Protein', ...), or train it here with labelled examples"
        )
    for tag in tags:
        if not is_valid_label(tag):
            raise ValueError(
                f"the model's tag {tag!r} has characters other than letters, digits, space and _ - . / +"
            )
    spelling = {label.casefold(): label for label in LABELS}
    if {tag[2:].casefold() for tag in tags if tag != "O"} == set(spelling):
        tags = [tag if tag == "O" else tag[:2] + spelling[tag[2:].casefold()] for tag in tags]
    return TagScheme(tuple(tags))


def has_tag_names(id2label: Mapping[int, str]) -> bool:
    """Whether a network's outputs have names, and not the numbers that transformers gives by default.

    >>> has_tag_names({0: "LABEL_0", 1: "LABEL_1"})
    False
    """
    return not any(re.fullmatch(r"LABEL_\d+", tag) for tag in id2label.values())


def make_tags(labels: Sequence[str]) -> list[str]:
    """The tags of labels, in the order that the hub's CRAFT models have: sorted, ``O`` last.

    >>> make_tags(["Taxon", "Cell"])
    ['B-Cell', 'B-Taxon', 'I-Cell', 'I-Taxon', 'O']
    """
    names = sorted(set(labels))
    return [f"B-{name}" for name in names] + [f"I-{name}" for name in names] + ["O"]


def write_tags(entities: Sequence[Entity], n_words: int, scheme: TagScheme) -> Ints:
    """The tag sequence that spells the entities: the inverse of `decoding.read_entities`.

    entities: over words, without overlap.
    n_words (int): length of the sequence.
    RETURNS (n_words,): tag indices.
    RAISES: ValueError if an entity's label is none of the scheme's.

    >>> write_tags([Entity(1, 3, "Cell")], 4, TagScheme(("O", "B-Cell", "I-Cell"))).tolist()
    [0, 1, 2, 0]
    """
    tags = np.full(n_words, scheme.index["O"], dtype=np.int64)
    for entity in entities:
        if entity.label not in scheme.labels:
            raise ValueError(f"label {entity.label!r} is none of the model's: {', '.join(scheme.labels)}")
        tags[entity.start : entity.end] = scheme.tags_of(entity.label, entity.end - entity.start)
    return tags


def gold_tags(
    doc: Doc,
    word_chars: Ints,
    scheme: TagScheme,
    model_label: Callable[[str], str | None] | None = None,
) -> Ints:
    """The tags of a model's words by the annotation of a Doc.

    doc (Doc): its tokens need not be the model's words.
    word_chars (n_words, 2): start and end of each word, in characters of the Doc.
    model_label (Callable): the scheme's label that a label of the Doc stands for, or None; by default the
        label itself, if the scheme has it.
    RETURNS (n_words,): index of each word's tag; -1 where it is missing: the tokens are not annotated, an
        entity begins or ends inside the word, or it stands for no label of the scheme.
    """
    if not doc.has_annotation("ENT_IOB"):
        return np.full(len(word_chars), -1, dtype=np.int64)
    entities, missing = [], []
    for ent in doc.ents:
        first, end, exact = exact_words(ent.start_char, ent.end_char, word_chars)
        label = ent.label_ if model_label is None else model_label(ent.label_)
        if exact and label in scheme.labels:
            entities.append(Entity(first, end, label))
        else:
            missing.append((first, end))
    for token in doc:
        if token.ent_iob == 0 and not token.text.isspace():
            missing.append(exact_words(token.idx, token.idx + len(token), word_chars)[:2])
    tags = write_tags(entities, len(word_chars), scheme)
    for first, end in missing:
        tags[first:end] = -1
    return tags
