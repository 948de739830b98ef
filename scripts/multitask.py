"""Training of one encoder with a classifier for each task: what the steps of the small model's recipe share.

A passage is a document as the encoder sees it, a row of wordpieces. Each epoch cuts it into windows anew, at
random places and of random length, so that a word is met with much context and with little, as at the borders
of the strided windows of prediction.
"""

import hashlib
import json
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from torch import nn
from tqdm import tqdm
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerFast, get_scheduler

from craftner_spacy.bf16 import has_bf16_units
from craftner_spacy.craft_ner import gold_tags
from craftner_spacy.decoding import TagScheme
from craftner_spacy.wordpieces import SpecialPieces, special_pieces, split_texts

Ints = NDArray[np.int64]

MAIN_TASK = "craft"


class Passage(NamedTuple):
    """A document's wordpieces, and what its words are to be taken for.

    ids (n_pieces,): vocabulary ids, without special pieces.
    word_pieces (n_words, 2): start and end of each word, in wordpieces.
    tags (n_words,): index of each word's tag, -1 where it is not known; or, by a teacher, the probability of
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
    """Windows of one task that are read at once."""

    task: str
    windows: list[Window]


class Settings(NamedTuple):
    """How to train.

    passes (dict[str, int]): how often each task's passages are read.
    seed (int): of the windows, their order, dropout and the new classifiers.
    learning_rate (float): its peak, after `warmup`; from there it falls linearly to 0.
    warmup (float): share of the steps in which the learning rate rises.
    weight_decay (float): of matrices; biases and scales of layers are not decayed.
    shortest, longest (int): limits of a window's length, in wordpieces.
    batch_pieces (int): wordpieces in a batch at most, padding included.
    masked (float): share of the wordpieces that are hidden behind the mask, so that a word's neighbours have
        to tell what it is.
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


def read_passages(path: Path, tokenizer: PreTrainedTokenizerFast, scheme: TagScheme) -> list[Passage]:
    """Make a passage of each Doc of a ``.spacy`` file, its entities as the tags."""
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


class Network(nn.Module):
    """A Hugging Face token classifier for the main task, and a linear classifier for each of the others."""

    def __init__(self, main: Any, others: Mapping[str, TagScheme]) -> None:
        super().__init__()
        self.main = main
        size, spread = main.config.hidden_size, main.config.initializer_range
        self.others = nn.ModuleDict()
        for task, scheme in others.items():
            self.others[task] = layer = nn.Linear(size, len(scheme.tags))
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: Mapping[str, torch.Tensor], places: torch.Tensor, task: str) -> torch.Tensor:
        """Logits (n_words, n_tags) of the wordpieces at `places`, counted over the padded batch; a task
        without a classifier of its own has the main one."""
        hidden = self.main.base_model(**inputs).last_hidden_state.flatten(0, 1)[places]
        classifier = self.others[task] if task in self.others else self.main.classifier  # noqa: SIM401
        return classifier(self.main.dropout(hidden))


def new_classifier(encoder: Path, scheme: TagScheme) -> Any:
    """A Hugging Face token classifier over the encoder of a folder; its classifier is the folder's own where
    the tags are the same.

    Attention is written out and without dropout: twice as fast in training on CPUs as the fused kernels.
    """
    return AutoModelForTokenClassification.from_pretrained(
        encoder,
        id2label=dict(enumerate(scheme.tags)),
        label2id=scheme.index,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
        local_files_only=True,
    )


def plan(passages: Mapping[str, Sequence[Passage]], settings: Settings) -> list[Batch]:
    """All batches of a training, in order: the same for the same passages and settings."""
    rng = random.Random(settings.seed)
    placed: list[tuple[float, Batch]] = []
    for task, passes in sorted(settings.passes.items()):
        for number in range(passes):
            windows = [
                window
                for i, passage in enumerate(passages[task])
                for window in cut(i, passage, settings.shortest, settings.longest, rng)
            ]
            # A pass takes its share of the training's time, whatever the other tasks' passes.
            placed += [
                ((number + rng.random()) / passes, Batch(task, batch))
                for batch in _batch(windows, passages[task], settings, rng)
            ]
    return [batch for _, batch in sorted(placed, key=lambda pair: pair[0])]


def cut(index: int, passage: Passage, shortest: int, longest: int, rng: random.Random) -> list[Window]:
    """Cut a passage at borders of words into windows of random length, the first one as short as 1 word.

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
    """Batches of windows of like length: sorted within chunks of the shuffled windows."""
    rng.shuffle(windows)
    batches: list[list[Window]] = []
    # As many windows as fill 20 to 32 batches: the more, the less padding.
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
    """What `Network` takes, and the tags as passages have them, for the words of the windows in order.

    Of a window that the encoder cannot read at once (one endless word) the first `max_pieces` are read.
    """
    rows, places, tags = [], [], []
    for window in windows:
        passage = passages[window.passage]
        pieces = passage.word_pieces[window.first : window.end]
        start, end = int(pieces[0, 0]), min(int(pieces[-1, 1]), int(pieces[0, 0]) + max_pieces)
        rows.append([*special.prefix, *passage.ids[start:end].tolist(), *special.suffix])
        places.append(pieces[:, 0] - start + len(special.prefix))
        tags.append(passage.tags[window.first : window.end])
    width = max(map(len, rows))
    flat = np.concatenate([row * width + at for row, at in enumerate(places)])
    ids = torch.tensor([[*row, *[special.padding] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    inputs = {"input_ids": ids, "attention_mask": mask}
    return inputs, torch.from_numpy(flat), torch.from_numpy(np.concatenate(tags))


def mask(inputs: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerFast, share: float) -> None:
    """Hide wordpieces, drawn one by one, behind the tokenizer's mask; special pieces stay.

    inputs: input_ids (n_windows, n_pieces), changed in place.
    """
    ids = inputs["input_ids"]
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    ids[(torch.rand(ids.shape) < share) & ~special] = tokenizer.mask_token_id


def loss_of(logits: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, mean over the words whose tag is known, 0 if there is none; with a teacher's
    probabilities mean over all words."""
    if tags.is_floating_point():
        return nn.functional.cross_entropy(logits.float(), tags.float())
    loss = nn.functional.cross_entropy(logits.float(), tags, ignore_index=-1, reduction="sum")
    return loss / (tags >= 0).sum().clamp(min=1)


def digest(passages: Mapping[str, Sequence[Passage]]) -> str:
    """A hash of all that a training reads."""
    found = hashlib.sha256()
    for task, of_task in sorted(passages.items()):
        found.update(task.encode())
        for passage in of_task:
            for part in passage:
                found.update(part.tobytes())
    return found.hexdigest()


def train(
    network: Network,
    tokenizer: PreTrainedTokenizerFast,
    passages: Mapping[str, Sequence[Passage]],
    settings: Settings,
    checkpoint: Path,
    every: int = 500,
) -> None:
    """Train to the end; the state is kept every so many steps, and a stopped training goes on from there.

    checkpoint (Path): the file of the state; gone when the training is through.
    RAISES: ValueError if the encoder cannot read such windows, or the checkpoint is of other settings
        or passages.
    """
    batches = plan(passages, settings)
    special = special_pieces(tokenizer)
    max_pieces = network.main.config.max_position_embeddings - len(special.prefix) - len(special.suffix)
    if not 1 <= settings.shortest <= settings.longest <= max_pieces:
        raise ValueError(
            f"windows of {settings.shortest} to {settings.longest} wordpieces: 1 to {max_pieces} fit"
        )
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    scheduler = get_scheduler("linear", optimizer, int(settings.warmup * len(batches)), len(batches))
    device = network.main.device
    in_bf16 = has_bf16_units(device.type)
    key = json.dumps([settings._asdict(), digest(passages)], sort_keys=True)
    step = _resume(checkpoint, key, network, optimizer, scheduler)
    network.train()
    mean_loss = 0.0
    with tqdm(total=len(batches), initial=step, unit="step", mininterval=5) as bar:
        for task, windows in batches[step:]:
            inputs, places, tags = collate(windows, passages[task], special, max_pieces)
            if settings.masked:
                mask(inputs, tokenizer, settings.masked)
            inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=in_bf16):
                logits = network(inputs, places.to(device), task)
            loss = loss_of(logits, tags.to(device))
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            step += 1
            mean_loss += (loss.item() - mean_loss) / min(step, 200)
            bar.set_postfix(loss=f"{mean_loss:.3f}", refresh=False)
            bar.update()
            if step % every == 0:
                _keep(checkpoint, key, step, network, optimizer, scheduler)
    checkpoint.unlink(missing_ok=True)


def _keep(checkpoint: Path, key: str, step: int, network: Network, optimizer: Any, scheduler: Any) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "key": key,
        "step": step,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "random": torch.get_rng_state(),
    }
    new = checkpoint.with_name(checkpoint.name + ".new")
    torch.save(state, new)
    os.replace(new, checkpoint)


def _resume(checkpoint: Path, key: str, network: Network, optimizer: Any, scheduler: Any) -> int:
    """Take up a kept state, if there is one, and say at which step."""
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state["key"] != key:
        raise ValueError(
            f"{checkpoint} is of other settings or text: {state['key']}, not {key}; remove it to begin anew"
        )
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["random"])
    return int(state["step"])
