"""Tiny Hugging Face models made on the fly, as folders like those of the hub.

They have the layout of real models (files, keys, spelling of labels, special tokens, positions) and random,
seeded weights of about 100 kB.
"""

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForTokenClassification,
    BertModel,
    BertTokenizerFast,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaForTokenClassification,
    RobertaTokenizerFast,
)

HUB_TAGS = (
    "B-Cell",
    "B-Chemical",
    "B-GENE",
    "B-Protein",
    "B-Sequence",
    "B-Taxon",
    "I-Cell",
    "I-Chemical",
    "I-GENE",
    "I-Protein",
    "I-Sequence",
    "I-Taxon",
    "O",
)
"""The tags of the hub's BioBERT, in its order and spelling."""

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
GREEK = "αβγδεκλμπσωΔΩ"
WORDS = (
    "a an and are as at be by for from in is of on or that the to was we were with not "
    "The We In These allele amino antibody binding blood brain calcium cell cells chromosome cortex "
    "deletion embryonic exon expressed expression fibroblasts gene genes heart human kinase liver "
    "membrane mice mouse mutant mutation neurons nucleus oocytes phosphate promoter protein proteins "
    "rat receptor retina sequence spermatocytes stem synapse testis transgenic water yeast zebrafish"
).split()
PIECES = "able ase cytes ed ein er es gene ing ion kinase like null ous phosph s spermato tion type".split()


def make_tiny_model(
    path: Path,
    *,
    weights: Literal["safetensors", "bin"] = "safetensors",
    labels: Sequence[str] = HUB_TAGS,
    lowercase: bool = False,
    max_positions: int = 512,
    architecture: Literal["token-classification", "masked-lm", "encoder"] = "token-classification",
    decoy: bool = False,
    seed: int = 0,
) -> Path:
    """Write a tiny BERT with its WordPiece tokenizer: two layers of width 32, two heads.

    path (Path): the folder; made if it does not exist.
    weights (str): ``safetensors``, or ``bin``: a pickled state dict as in older repositories of the hub, with
        the buffer of position ids that they contain.
    labels (Sequence[str]): tags by id, for a token classifier. ``LABEL_0``, ``LABEL_1``... make a model
        whose labels have no names.
    lowercase (bool): whether the tokenizer is uncased.
    max_positions (int): wordpieces in one window, special tokens included.
    architecture (str): the head on the encoder; ``encoder``: no head.
    decoy (bool): add a ``training_args.bin``, as trainers do, with bytes that raise when unpickled.
    seed (int): of the weights.
    RETURNS (Path): the folder.
    """
    path.mkdir(parents=True, exist_ok=True)
    vocab = _wordpieces()
    (path / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf8")
    tokenizer = BertTokenizerFast(
        str(path / "vocab.txt"), do_lower_case=lowercase, model_max_length=max_positions
    )
    tokenizer.save_pretrained(path)

    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=max_positions,
    )
    makers: dict[str, type[PreTrainedModel]] = {
        "token-classification": BertForTokenClassification,
        "masked-lm": BertForMaskedLM,
        "encoder": BertModel,
    }
    if architecture == "token-classification":
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
    model = _seeded(makers[architecture], config, seed)
    _save(model, path, weights)
    _make_config_older(path)
    if decoy:
        (path / "training_args.bin").write_bytes(b"\x80\x04cbuiltins\nrepr_of_nothing\n.")
    return path


def make_tiny_roberta(path: Path, *, labels: Sequence[str] = HUB_TAGS, seed: int = 0) -> Path:
    """Write a tiny RoBERTa token classifier with a byte-level BPE tokenizer trained on `WORDS`.

    Its 130 position embeddings are for 128 wordpieces: the offset of the padding takes two.

    path (Path): the folder; made if it does not exist.
    labels (Sequence[str]): tags by id.
    seed (int): of the weights.
    RETURNS (Path): the folder.
    """
    path.mkdir(parents=True, exist_ok=True)
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(
        [f" {word}" for word in WORDS], vocab_size=400, special_tokens=special, show_progress=False
    )
    bpe.save_model(str(path))
    tokenizer = RobertaTokenizerFast(
        str(path / "vocab.json"), str(path / "merges.txt"), add_prefix_space=False, model_max_length=128
    )
    tokenizer.save_pretrained(path)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    _save(_seeded(RobertaForTokenClassification, config, seed), path, "safetensors")
    return path


def _wordpieces() -> list[str]:
    """A vocabulary with wordpieces for all printable ASCII text, and only one for each of `WORDS`."""
    characters = [c for c in string.printable if not c.isspace()] + list(GREEK)
    pieces = [*SPECIAL_TOKENS, *characters, *(f"##{c}" for c in characters), *WORDS]
    return list(dict.fromkeys([*pieces, *(f"##{piece}" for piece in PIECES)]))


def _seeded(maker: type[PreTrainedModel], config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """A model whose weights depend only on the seed; the random state of the process does not change."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = maker(config)
        # The usual initialization (standard deviation 0.02) gives nearly equal scores to all tags.
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def _save(model: PreTrainedModel, path: Path, weights: Literal["safetensors", "bin"]) -> None:
    model.save_pretrained(path)
    if weights == "bin":
        (path / "model.safetensors").unlink()
        state = dict(model.state_dict())
        embeddings = next(name for name in state if name.endswith("embeddings.word_embeddings.weight"))
        position_ids = embeddings.replace("word_embeddings.weight", "position_ids")
        state[position_ids] = torch.arange(model.config.max_position_embeddings).unsqueeze(0)
        torch.save(state, path / "pytorch_model.bin")


def _make_config_older(path: Path) -> None:
    """Give config.json the keys that an older version of transformers wrote for the hub's BioBERT.

    One of them is the name of the model that it was fine-tuned from, which must never be fetched.
    """
    config = json.loads((path / "config.json").read_text(encoding="utf8"))
    config |= {
        "_name_or_path": "dmis-lab/biobert-base-cased-v1.2",
        "gradient_checkpointing": False,
        "transformers_version": "4.17.0",
    }
    (path / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf8")
