"""The model of a trained component → the folder that is shipped: weights in 16 bits, no local paths."""

import json
from pathlib import Path

import torch
import typer
from spacy_transformers.data_classes import HFObjects
from wasabi import msg

from craftner_spacy.folders import load_folder, save_folder

MAX_MB = 50


def main(model: Path, out: Path) -> None:
    """Write MODEL, e.g. training/small/model-last/craft_ner/model, to OUT; other files of OUT stay."""
    export(load_folder(model), out)


def export(hf_model: HFObjects, out: Path) -> None:
    """Write tokenizer and network to a folder as they are shipped. Exits if it is larger than `MAX_MB`."""
    out.mkdir(parents=True, exist_ok=True)
    save_folder(hf_model, out, torch.float16)
    drop_local_path(out / "config.json", "_name_or_path")
    drop_local_path(out / "tokenizer_config.json", "name_or_path")
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    if size > MAX_MB:
        msg.fail(f"{out} has {size:.1f} MB: allowed are {MAX_MB}", exits=1)
    msg.good(f"{out} has {size:.1f} MB")


def drop_local_path(file: Path, key: str) -> None:
    """Remove a key of a JSON file if its value is a path and not the id of a model on the hub."""
    settings = json.loads(file.read_text(encoding="utf-8"))
    name = settings.get(key)
    if name is None or (
        name.count("/") <= 1 and not name.startswith(("/", ".", "~")) and not Path(name).exists()
    ):
        return
    del settings[key]
    file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
