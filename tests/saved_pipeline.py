"""Save a tiny pipeline, to be loaded by every later version: `tests/data/pipeline-VERSION` was made by this.

    python tests/saved_pipeline.py tests/data

Run it once for a version that changes what is saved, before its release, and keep the folders of the others.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy
import srsly
import torch
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from tiny_models import make_tiny_model
from transformers import AutoModelForTokenClassification

TEXTS = (
    "The mouse kinase of stem cells.",
    "Sox9-/- mice were in the blood of zebrafish, and the receptor was not expressed.",
    "",
    "β-like proteins bind RNA: naïve cells (rat)\n\nINTRON AND EXON of yeast",
)


def make_pipeline(folder: Path) -> Language:
    """A pipeline with every setting named: a later default is not to change what it finds."""
    nlp = spacy.blank("xx")
    # Without the rules of a language, which are spaCy's and would be most of what is kept: cut at spaces.
    nlp.tokenizer = Tokenizer(nlp.vocab)
    model = {
        "name": str(_in_16_bits(make_tiny_model(folder, max_positions=32, seed=10))),
        "revision": "main",
        "pooling": "mean",
        "precision": "fp32",
        "get_spans": {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 16, "stride": 8},
    }
    settings = {
        "alignment_mode": "split",
        "overwrite_ents": False,
        "spans_key": "found",
        "threshold": 0.15,
        "label_map": {"Gene": "Part"},
        "batch_tokens": 77,
    }
    nlp.add_pipe("craft_ner", name="tiny", config={**settings, "model": model})
    return nlp


def _in_16_bits(folder: Path) -> Path:
    """The same model, half as large on disk."""
    AutoModelForTokenClassification.from_pretrained(folder).to(torch.float16).save_pretrained(folder)
    return folder


def found(nlp: Language) -> list[list[dict[str, object]]]:
    """What the pipeline finds in each of the texts: characters, label and score."""
    rows = []
    for doc in nlp.pipe(TEXTS):
        group = doc.spans["found"]
        assert list(doc.ents) == list(group)
        rows.append(
            [
                {"start": span.start_char, "end": span.end_char, "label": span.label_, "score": score}
                for span, score in zip(group, group.attrs["scores"], strict=True)
            ]
        )
    return rows


def main(data: Path) -> None:
    folder = data / f"pipeline-{version('craftner_spacy')}"
    data.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as model:
        nlp = make_pipeline(Path(model))
        nlp.to_disk(folder)
    # The folder of the weights is gone: the config is not to name a place on this machine.
    config = nlp.config.copy()
    config["components"]["tiny"]["model"]["name"] = "small"
    config.to_disk(folder / "config.cfg")
    # Of any patch release of spaCy: it would warn of a later one than its own.
    meta = srsly.read_json(folder / "meta.json")
    srsly.write_json(folder / "meta.json", {**meta, "spacy_version": ">=3.8.0,<3.9.0"})
    srsly.write_json(folder / "found.json", found(spacy.load(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
