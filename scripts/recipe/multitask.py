"""Multitask training: one encoder with a classifier for each task. All steps of the recipe use it."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from passages import Passage, Settings, collate, digest, mask, plan
from torch import nn
from tqdm import tqdm
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerFast, get_scheduler

from craftner_spacy.inference.units import has_bf16_units
from craftner_spacy.tags import TagScheme
from craftner_spacy.wordpieces import special_pieces


class Network(nn.Module):
    """A Hugging Face token classifier for the main task, and a linear classifier for each auxiliary task."""

    def __init__(self, main: Any, auxiliary: Mapping[str, TagScheme]) -> None:
        super().__init__()
        self.main = main
        size, std = main.config.hidden_size, main.config.initializer_range
        self.classifiers = nn.ModuleDict()
        for task, scheme in auxiliary.items():
            self.classifiers[task] = layer = nn.Linear(size, len(scheme.tags))
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(
        self, inputs: Mapping[str, torch.Tensor], first_pieces: torch.Tensor, task: str
    ) -> torch.Tensor:
        """Logits (n_words, n_tags) at the first wordpieces of words, as `passages.collate` gives them.

        A task without a classifier of its own uses the main one.
        """
        hidden = self.main.base_model(**inputs).last_hidden_state.flatten(0, 1)[first_pieces]
        classifier = self.classifiers[task] if task in self.classifiers else self.main.classifier  # noqa: SIM401
        return classifier(self.main.dropout(hidden))


def new_classifier(encoder: Path, scheme: TagScheme) -> Any:
    """A Hugging Face token classifier with the encoder of a folder.

    The folder's classifier is kept if it has the same tags.
    Attention is eager and without dropout, which trains twice as fast on CPUs as the fused kernels.
    """
    return AutoModelForTokenClassification.from_pretrained(
        encoder,
        id2label=dict(enumerate(scheme.tags)),
        label2id=scheme.index,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
        local_files_only=True,
    )


def loss_of(logits: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
    """Cross-entropy: the mean over the words whose tag is known, 0 if there are none.

    With soft labels, the mean over all words.
    """
    if tags.is_floating_point():
        return nn.functional.cross_entropy(logits.float(), tags.float())
    loss = nn.functional.cross_entropy(logits.float(), tags, ignore_index=-1, reduction="sum")
    return loss / (tags >= 0).sum().clamp(min=1)


def training_record(
    start: Path, passages: Mapping[str, Sequence[Passage]], settings: Settings
) -> dict[str, Any]:
    """What identifies a training: its settings, and digests of the weights it starts from and of its data."""
    weights = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(start.glob("*.safetensors"))]
    return {**settings._asdict(), "start": start.name, "weights": weights, "text": digest(passages)}


def train(
    network: Network,
    tokenizer: PreTrainedTokenizerFast,
    passages: Mapping[str, Sequence[Passage]],
    settings: Settings,
    checkpoint: Path,
    record: Mapping[str, Any],
    every: int = 500,
) -> None:
    """Train to the end, or continue a training that was stopped.

    checkpoint (Path): the file with the state; it is removed at the end.
    record (Mapping[str, Any]): what identifies the training; see `training_record`.
    every (int): steps between two checkpoints.
    RAISES: ValueError if windows are too long for the encoder, or the checkpoint is of another training.
    """
    batches = plan(passages, settings)
    n_steps = int(settings.until * len(batches))
    special = special_pieces(tokenizer)
    max_pieces = network.main.config.max_position_embeddings - len(special.prefix) - len(special.suffix)
    if not 1 <= settings.shortest <= settings.longest <= max_pieces:
        raise ValueError(
            f"windows of {settings.shortest} to {settings.longest} wordpieces: allowed are 1 to {max_pieces}"
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
    key = json.dumps(record, sort_keys=True)
    first = step = _resume(checkpoint, key, network, optimizer, scheduler)
    network.train()
    mean_loss = 0.0
    with tqdm(total=n_steps, initial=step, unit="step", mininterval=5) as bar:
        for task, windows in batches[step:n_steps]:
            inputs, first_pieces, tags = collate(windows, passages[task], special, max_pieces)
            if settings.masked:
                mask(inputs, tokenizer, settings.masked)
            inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=in_bf16):
                logits = network(inputs, first_pieces.to(device), task)
            loss = loss_of(logits, tags.to(device))
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            step += 1
            mean_loss += (loss.item() - mean_loss) / min(step - first, 200)
            bar.set_postfix(loss=f"{mean_loss:.3f}", refresh=False)
            bar.update()
            if step % every == 0:
                _save_checkpoint(checkpoint, key, step, network, optimizer, scheduler)
    checkpoint.unlink(missing_ok=True)


def _save_checkpoint(
    checkpoint: Path, key: str, step: int, network: Network, optimizer: Any, scheduler: Any
) -> None:
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
    """Restore a saved state if there is one. RETURNS: the number of steps done."""
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state["key"] != key:
        raise ValueError(
            f"{checkpoint} is of another training: {state['key']}, not {key}; remove it to begin again"
        )
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["random"])
    return int(state["step"])
