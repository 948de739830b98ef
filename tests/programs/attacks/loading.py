"""Hostile models and settings, and texts that take much time."""

from pathlib import Path

from .frame import attack, craftner, refused


@attack("a model whose weights are a pickle", item=1, expects="refused in one line; it does not run")
def pickled(folder: Path) -> str:
    from tiny_models import make_tiny_model

    model = make_tiny_model(folder / "model")
    (model / "model.safetensors").unlink()
    mark = folder / "ran"
    (model / "pytorch_model.bin").write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    (folder / "in.txt").write_text("Sox9 in mice.", encoding="utf8")
    done = craftner("annotate", folder / "in.txt", "-o", folder / "out.jsonl", "--model", model)
    assert not mark.exists(), "the pickle ran"
    return refused(done, str(model))
