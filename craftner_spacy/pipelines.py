"""Pipelines with a `craft_ner`: loading one by name, its component, and what decides its entities."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.util import dot_to_dict, is_package

from .craft_ner import CraftNER
from .linear_tokenizer import LinearTokenizer
from .linking.craft_linker import CraftLinker
from .linking.knowledge_base import kb_file
from .model import get_shim
from .sources import ALIASES

SETTINGS = {"threshold": "threshold", "batch_tokens": "batch_tokens", "precision": "model.precision"}
"""Settings that can be chosen when a pipeline is loaded, and their keys in the component's config."""
KB_NAMES = ("auto", "bundled", "none")
"""What `load_pipeline` takes as `kb` that is no file."""
MAX_LENGTH = 5_000_000
"""Characters of a text in a pipeline of our components alone, which take about 250 MB for a million. spaCy's
limit of a million is for its parser and `ner`, which take a gigabyte for 100,000."""
VERSIONS = ("craftner_spacy", "spacy", "torch", "transformers", "tokenizers")


def load_pipeline(
    model: str | Language,
    *,
    label_map: Mapping[str, str] | None = None,
    kb: str | None = None,
    **settings: Any,
) -> Language:
    """The pipeline of that name, or a blank one with a `craft_ner` of that model.

    If it has no components but ours, its `max_length` is `MAX_LENGTH` at least.

    model (str | Language): 'small', 'biobert', a hub id, a folder with a model or a pipeline, or a package;
        a loaded pipeline is checked and returned.
    label_map (Mapping[str, str] | None): other names for labels; None: as the pipeline has it.
    kb (str | None): what gives the entities ids: 'bundled', the file of a knowledge base, or 'none'; 'auto':
        the `craft_linker` of the pipeline, if it has one, and the bundled knowledge base for a model that is
        no pipeline; None: as 'auto', but nothing for such a model.
    settings: some of `SETTINGS`; None: as the pipeline has it.
    RAISES: ValueError if it has no `craft_ner` with a span group, if it is another package, or if settings
        come with a loaded pipeline; what `spacy.load`, `sources.find_folder` and
        `linking.knowledge_base.KnowledgeBase` raise.
    """
    chosen = {SETTINGS[name]: value for name, value in settings.items() if value is not None}
    if isinstance(model, Language):
        if chosen or label_map is not None or kb not in (None, "auto"):
            names = ", ".join([*SETTINGS, "label_map", "kb"])
            raise ValueError(f"{names} of a loaded pipeline are set on its components")
        get_component(model)
        return model
    is_pipeline = _is_pipeline(model)
    nlp = _load(model, is_pipeline, chosen)
    if label_map is not None:
        get_component(nlp).label_map = dict(label_map)
    if kb == "auto":
        kb = None if is_pipeline else "bundled"
    if kb is not None:
        _set_kb(nlp, kb)
    if all(isinstance(pipe, CraftNER | CraftLinker) for _, pipe in nlp.pipeline):
        nlp.max_length = max(nlp.max_length, MAX_LENGTH)
    return nlp


def _load(model: str, is_pipeline: bool, chosen: Mapping[str, Any]) -> Language:
    if is_pipeline:
        nlp = spacy.load(model)
        name = get_component(nlp).name
        config = {f"components.{name}.{key}": value for key, value in chosen.items()}
        nlp = spacy.load(model, config=config) if config else nlp
    else:
        nlp = spacy.blank("en")
        nlp.add_pipe("craft_ner", config=dot_to_dict({"model.name": model, **chosen}))
    if type(nlp.tokenizer) is Tokenizer:
        nlp.tokenizer = LinearTokenizer.from_tokenizer(nlp.tokenizer)
    return nlp


def _is_pipeline(model: str) -> bool:
    """Whether it is the folder or the package of a pipeline; a package of another kind is not imported."""
    if (Path(model) / "meta.json").is_file():
        return True
    if model in ALIASES or not model.isidentifier() or not is_package(model):
        return False
    spec = find_spec(model)
    folders = (spec.submodule_search_locations if spec else None) or ()
    if not any(Path(folder, "meta.json").is_file() for folder in folders):
        raise ValueError(
            f"model = {model!r} is a package without a pipeline; allowed are 'small', 'biobert', a hub id, a "
            "folder with a model or a pipeline, or the package of a pipeline"
        )
    return True


def _set_kb(nlp: Language, kb: str) -> None:
    """Let a pipeline give ids by this knowledge base; 'none': let it give none."""
    linkers = [(name, pipe) for name, pipe in nlp.pipeline if isinstance(pipe, CraftLinker)]
    if kb == "none":
        for name, _ in linkers:
            nlp.remove_pipe(name)
        return
    if not linkers:
        nlp.add_pipe("craft_linker")
    linker = get_linker(nlp)
    assert linker is not None
    linker.spans_key = get_component(nlp).spans_key
    linker.kb = kb
    linker.source.open(kb)


def absolute_kb(kb: str) -> str:
    """A value of the setting `kb`; a file by its absolute path: Ray's workers have another working folder.

    >>> absolute_kb("bundled"), Path(absolute_kb("kb.sqlite")).is_absolute()
    ('bundled', True)
    """
    return kb if kb in KB_NAMES else str(kb_file(kb).resolve())


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


def get_linker(nlp: Language) -> CraftLinker | None:
    """The last `craft_linker` of the pipeline; None if it has none."""
    linkers = [component for _, component in nlp.pipeline if isinstance(component, CraftLinker)]
    return linkers[-1] if linkers else None


def labels_without_ids(nlp: Language) -> list[str]:
    """Labels of the pipeline that its knowledge base has no table for, by the name that they have or had.

    Without `craft_linker` there are none.

    The weights are loaded if they are not yet.
    RAISES: what `get_component` and `KnowledgeBase` raise; what loading the weights raises.
    """
    linker = get_linker(nlp)
    if linker is None:
        return []
    component = get_component(nlp)
    known = linker.source.open(linker.kb).labels
    names = {label: component.label_map.get(label, label) for label in component.scheme.labels}
    return sorted({name for label, name in names.items() if not known & {label, name}})


def describe_model(nlp: Language) -> dict[str, Any]:
    """What decides entities and their ids: digests of all files, settings, device, versions.

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
        **_describe_linker(get_linker(nlp)),
        **{name: version(name) for name in VERSIONS},
    }


def _describe_linker(linker: CraftLinker | None) -> dict[str, Any]:
    if linker is None:
        return {"kb": None, "linker": None}
    digest = hashlib.sha256()
    with linker.kb_path.open("rb") as file:
        # May be larger than the memory.
        while block := file.read(1 << 20):
            digest.update(block)
    settings = {name: value for name, value in linker.cfg.items() if name not in ("kb", "save_kb")}
    return {"kb": digest.hexdigest(), "linker": settings}
