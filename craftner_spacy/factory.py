"""The factory `craft_ner` and its default config."""

from collections.abc import Callable

import spacy_transformers.span_getters  # noqa: F401 (makes the registry of span getters)
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from .craft_ner import CraftNER
from .model import WordScores

DEFAULT_CONFIG = """
[craft_ner]
alignment_mode = "strict"
overwrite_ents = true
spans_key = "craft_ner"
threshold = 0.0
label_map = {}
batch_tokens = 2048

[craft_ner.scorer]
@scorers = "craftner_spacy.craft_scorer.v1"

[craft_ner.model]
@architectures = "craftner_spacy.TokenClassifier.v1"
name = "small"
revision = "main"
pooling = "first"
precision = "auto"

[craft_ner.model.get_spans]
@span_getters = "spacy-transformers.strided_spans.v1"
window = 128
stride = 120
"""


@Language.factory(
    "craft_ner",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config=Config().from_str(DEFAULT_CONFIG)["craft_ner"],
    default_score_weights={
        "ents_loss": 0.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_f": 1.0,
        "ents_acc": 0.0,
        "ents_per_type": None,
    },
)
def make_craft_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[WordScores]],
    alignment_mode: str,
    overwrite_ents: bool,
    spans_key: str | None,
    threshold: float,
    label_map: dict[str, str],
    batch_tokens: int,
    scorer: Callable | None,
) -> CraftNER:
    """Make the component `craft_ner`; its settings are those of `CraftNER`."""
    return CraftNER(
        nlp,
        model,
        name,
        alignment_mode=alignment_mode,
        overwrite_ents=overwrite_ents,
        spans_key=spans_key,
        threshold=threshold,
        label_map=label_map,
        batch_tokens=batch_tokens,
        scorer=scorer,
    )
