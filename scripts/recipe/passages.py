"""Training data of the small model: documents as wordpieces, cut into windows and put into batches.

Each epoch cuts the documents again, at random positions and into windows of random length. So the network
sees words with much context and with little, as at the ends of the strided windows in prediction.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from transformers import PreTrainedTokenizerFast

from craftner_spacy.tags import TagScheme, gold_tags
from craftner_spacy.types import Ints
from craftner_spacy.wordpieces import SpecialPieces, split_texts

MAIN_TASK = "craft"


class Passage(NamedTuple):
    """The wordpieces of a document, and the targets of its words.

    ids (n_pieces,): vocabulary ids, without special tokens.
    word_pieces (n_words, 2): start and end of each word, in wordpieces.
    tags: index of each word's tag, -1 where it is not known (n_words,); or soft labels, the probability of
        each tag (n_words, n_tags).
    """

    ids: Ints
    word_pieces: Ints
    tags: Ints | NDArray[np.float16]


class Window(NamedTuple):
    """A run of words of a passage: index of the passage, first word and end."""

    passage: int
    first: int
    end: int


class Batch(NamedTuple):
    """Windows of one task that the network reads at once."""

    task: str
    windows: list[Window]


class Settings(NamedTuple):
    """Settings of a training.

    passes (dict[str, int]): number of epochs for each task.
    seed (int): of the windows, their order, dropout and the new classifiers.
    learning_rate (float): its maximum, at the end of the warm-up; then it decreases linearly to 0.
    warmup (float): share of the steps in which the learning rate increases.
    weight_decay (float): of matrices; there is none for biases and layer normalization.
    shortest, longest (int): limits of a window's length, in wordpieces.
    batch_pieces (int): the most wordpieces in a batch, padding included.
    masked (float): share of the wordpieces that are replaced by the mask token, so that the network learns to
        use the context of a word.
    auxiliary_until (float): share of the training after which the auxiliary tasks have ended; in the rest
        only the main task is trained, with a learning rate that still decreases to 0.
    until (float): share of the steps after which the training ends, whatever the learning rate.
    """

    passes: dict[str, int]
    seed: int
    learning_rate: float
    warmup: float = 0.06
    weight_decay: float = 0.01
    shortest: int = 64
    longest: int = 256
    batch_pieces: int = 1300
    masked: float = 0.0
    auxiliary_until: float = 1.0
    until: float = 1.0


def read_passages(path: Path, tokenizer: PreTrainedTokenizerFast, scheme: TagScheme) -> list[Passage]:
    """Make a passage of each Doc of a ``.spacy`` file; its entities are the tags."""
    docs = list(DocBin().from_disk(path).get_docs(Vocab()))
    texts = split_texts(tokenizer, [doc.text for doc in docs])
    return [
        Passage(text.ids, text.word_pieces, gold_tags(doc, text.word_chars, scheme))
        for doc, text in zip(docs, texts, strict=True)
    ]


def read_labels(path: Path) -> list[str]:
    """The labels of the entities of a ``.spacy`` file, sorted."""
    return sorted({ent.label_ for doc in DocBin().from_disk(path).get_docs(Vocab()) for ent in doc.ents})


def bio_scheme(labels: Iterable[str]) -> TagScheme:
    """``O``, then a ``B-`` and an ``I-`` for each label."""
    return TagScheme(("O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")))


def plan(passages: Mapping[str, Sequence[Passage]], settings: Settings) -> list[Batch]:
    """All batches of a training, in order. They are the same for the same passages and settings."""
    rng = random.Random(settings.seed)
    placed: list[tuple[float, Batch]] = []
    for task, passes in sorted(settings.passes.items()):
        until = 1.0 if task == MAIN_TASK else settings.auxiliary_until
        for number in range(passes):
            windows = [
                window
                for i, passage in enumerate(passages[task])
                for window in cut(i, passage, settings.shortest, settings.longest, rng)
            ]
            # The batches of each task are spread evenly over its share of the training.
            placed += [
                (until * (number + rng.random()) / passes, Batch(task, batch))
                for batch in _batch(windows, passages[task], settings, rng)
            ]
    return [batch for _, batch in sorted(placed, key=lambda pair: pair[0])]


def cut(index: int, passage: Passage, shortest: int, longest: int, rng: random.Random) -> list[Window]:
    """Cut a passage at word borders into windows of random length. The first window may be shorter.

    A word of more than `longest` wordpieces is a window of its own.
    """
    windows: list[Window] = []
    ends = passage.word_pieces[:, 1]
    first = 0
    while first < len(ends):
        length = rng.randint(shortest if windows else 1, longest)
        limit = passage.word_pieces[first, 0] + length
        end = max(first + 1, int(np.searchsorted(ends, limit, side="right")))
        windows.append(Window(index, first, end))
        first = end
    return windows


def _length(window: Window, passages: Sequence[Passage]) -> int:
    word_pieces = passages[window.passage].word_pieces
    return int(word_pieces[window.end - 1, 1] - word_pieces[window.first, 0])


def _batch(
    windows: list[Window], passages: Sequence[Passage], settings: Settings, rng: random.Random
) -> list[list[Window]]:
    """Batches of windows of similar length: shuffled windows are sorted within chunks."""
    rng.shuffle(windows)
    batches: list[list[Window]] = []
    # A chunk fills 20 to 32 batches. Longer chunks need less padding and are less random.
    chunk = max(1, 32 * settings.batch_pieces // settings.longest)
    for start in range(0, len(windows), chunk):
        batch: list[Window] = []
        for window in sorted(windows[start : start + chunk], key=lambda w: _length(w, passages)):
            if batch and _length(window, passages) * (len(batch) + 1) > settings.batch_pieces:
                batches.append(batch)
                batch = []
            batch.append(window)
        batches.append(batch)
    return batches


def collate(
    windows: Sequence[Window], passages: Sequence[Passage], special: SpecialPieces, max_pieces: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """The inputs of `multitask.Network` for some windows.

    If a window is longer than the encoder allows, because of one very long word, only its first `max_pieces`
    wordpieces are read.

    RETURNS: input_ids and attention_mask (n_windows, n_pieces); the first wordpiece of each word (n_words,),
        as an index into the flattened batch; the words' tags as in `Passage`.
    """
    rows, first_pieces, tags = [], [], []
    for window in windows:
        passage = passages[window.passage]
        pieces = passage.word_pieces[window.first : window.end]
        start, end = int(pieces[0, 0]), min(int(pieces[-1, 1]), int(pieces[0, 0]) + max_pieces)
        rows.append([*special.prefix, *passage.ids[start:end].tolist(), *special.suffix])
        first_pieces.append(pieces[:, 0] - start + len(special.prefix))
        tags.append(passage.tags[window.first : window.end])
    width = max(map(len, rows))
    flat = np.concatenate([row * width + in_row for row, in_row in enumerate(first_pieces)])
    ids = torch.tensor([[*row, *[special.padding] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    inputs = {"input_ids": ids, "attention_mask": mask}
    return inputs, torch.from_numpy(flat), torch.from_numpy(np.concatenate(tags))


def mask(inputs: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerFast, share: float) -> None:
    """Replace wordpieces, each drawn at random, by the tokenizer's mask token. Special pieces stay.

    inputs: input_ids (n_windows, n_pieces) are changed in place.
    share (float): probability that a wordpiece is replaced.
    """
    ids = inputs["input_ids"]
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    ids[(torch.rand(ids.shape) < share) & ~special] = tokenizer.mask_token_id


def digest(passages: Mapping[str, Sequence[Passage]]) -> str:
    """The sha256 digest of all training data, by task."""
    hasher = hashlib.sha256()
    for task, of_task in sorted(passages.items()):
        hasher.update(task.encode())
        for passage in of_task:
            for array in passage:
                hasher.update(array.tobytes())
    return hasher.hexdigest()
