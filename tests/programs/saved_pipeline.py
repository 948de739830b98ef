"""Save a tiny pipeline that every later version must load: this made `tests/data/pipeline-VERSION`.

    PYTHONPATH=tests/helpers python tests/programs/saved_pipeline.py tests/data

Run it once, before the release, for a version that changes what is saved; keep the folders of other versions.
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
    """A pipeline with all settings explicit, so that no later default changes its entities."""
    nlp = spacy.blank("xx")
    # It splits at spaces: the rules of a language would be most of what is saved.
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


def predict_entities(nlp: Language) -> list[list[dict[str, object]]]:
    """The entities of each text: characters, label and score."""
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
    # The folder of the weights is deleted: the config must not name a path of this machine.
    config = nlp.config.copy()
    config["components"]["tiny"]["model"]["name"] = "small"
    config.to_disk(folder / "config.cfg")
    # For any patch release of spaCy, which warns of later releases than the one in meta.json.
    meta = srsly.read_json(folder / "meta.json")
    srsly.write_json(folder / "meta.json", {**meta, "spacy_version": ">=3.8.0,<3.9.0"})
    srsly.write_json(folder / "found.json", predict_entities(spacy.load(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
