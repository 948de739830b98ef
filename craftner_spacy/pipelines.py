"""Pipelines with a `craft_ner`: loading one by name, its component, and what decides its entities."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.util import dot_to_dict, is_package

from .craft_ner import CraftNER
from .model import get_shim

SETTINGS = {"threshold": "threshold", "batch_tokens": "batch_tokens", "precision": "model.precision"}
"""Settings that can be chosen when a pipeline is loaded, and their keys in the component's config."""
VERSIONS = ("craftner_spacy", "spacy", "torch", "transformers", "tokenizers")


def load_pipeline(
    model: str | Language, *, label_map: Mapping[str, str] | None = None, **settings: Any
) -> Language:
    """The pipeline of that name, or a blank one with a `craft_ner` of that model.

    model (str | Language): 'small', 'biobert', a hub id, a folder with a model or a pipeline, or a package;
        a loaded pipeline is checked and returned.
    label_map (Mapping[str, str] | None): other names for labels; None: as the pipeline has it.
    settings: some of `SETTINGS`; None: as the pipeline has it.
    RAISES: ValueError if it has no `craft_ner` with a span group, or if the settings come with a loaded
        pipeline; what `spacy.load` and `sources.find_folder` raise.
    """
    chosen = {SETTINGS[name]: value for name, value in settings.items() if value is not None}
    if isinstance(model, Language):
        if chosen or label_map is not None:
            raise ValueError(
                f"{', '.join(SETTINGS)}, label_map of a loaded pipeline are set on its component"
            )
        get_component(model)
        return model
    nlp = _load(model, chosen)
    if label_map is not None:
        get_component(nlp).label_map = dict(label_map)
    return nlp


def _load(model: str, chosen: Mapping[str, Any]) -> Language:
    if is_package(model) or (Path(model) / "meta.json").is_file():
        nlp = spacy.load(model)
        name = get_component(nlp).name
        config = {f"components.{name}.{key}": value for key, value in chosen.items()}
        return spacy.load(model, config=config) if config else nlp
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config=dot_to_dict({"model.name": model, **chosen}))
    return nlp


def get_component(nlp: Language) -> CraftNER:
    """The pipeline's `craft_ner`.

    RAISES: ValueError if it has none, or one without a span group, which holds the scores.
    """
    components = [component for _, component in nlp.pipeline if isinstance(component, CraftNER)]
    if not components:
        raise ValueError(f"the pipeline has no craft_ner, only: {', '.join(nlp.pipe_names) or 'nothing'}")
    if components[0].spans_key is None:
        raise ValueError("spans_key = null: the scores of craft_ner are needed, which a span group holds")
    return components[0]


def describe_model(nlp: Language) -> dict[str, Any]:
    """What decides the entities: a digest of the pipeline's config and weights, settings, device, versions.

    The weights are loaded and made ready for inference if they are not yet.
    RAISES: what `get_component` raises; what loading the weights raises; what `inference_network` of the
        shim raises.
    """
    component = get_component(nlp)
    shim = get_shim(component.model)
    digest = hashlib.sha256(nlp.config.to_str().encode())
    changed = component.cfg_to_bytes()
    if changed != b"{}":
        digest.update(changed)
    # Loads the weights, if need be.
    digest.update(repr(component.scheme.tags).encode())
    # A precision that is not possible here is an error now, not at the first document.
    assert shim.inference_network is not None
    for name, tensor in sorted(shim.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return {
        "digest": digest.hexdigest(),
        "threshold": component.threshold,
        "batch_tokens": component.model.attrs["batch_tokens"],
        "device": shim.device.type,
        "precision": shim.inference_precision,
        **{name: version(name) for name in VERSIONS},
    }
