"""The command ``info``."""

import platform
from importlib.metadata import PackageNotFoundError, version

from .options import GpuId, Kb, Model, use_gpu
from .tables import print_table


def info_command(model: Model = "small", kb: Kb = "auto", gpu_id: GpuId = -1) -> None:
    """Print versions, model, device and numeric precision.

    They are those that would be used, and the table says why.
    """
    from rich.table import Table

    from ..inference.units import has_bf16_units, prefers_int8
    from ..model import get_shim
    from ..pipelines import VERSIONS, describe_model, get_component, get_linker, load_pipeline

    use_gpu(gpu_id)
    nlp = load_pipeline(model, kb=kb)
    facts = describe_model(nlp)
    component = get_component(nlp)
    device = facts["device"]
    units = {"bf16": has_bf16_units(device), "int8": prefers_int8(device)}
    fast = " and ".join(name for name, has in units.items() if has) or "neither bf16 nor int8"
    table = Table("what", "value", "why")
    for name in VERSIONS:
        table.add_row(name, facts[name], "installed")
    table.add_row("Python", platform.python_version(), f"{platform.system()} {platform.machine()}")
    table.add_row("spacy-transformers", version("spacy-transformers"), "installed")
    table.add_row(
        "ray", _ray_version(), 'for --engine ray: pip install ".[ray]" in a checkout of craftner_spacy'
    )
    table.add_row("model", model, f"labels: {', '.join(component.scheme.labels)}")
    table.add_row("weights and config", facts["digest"][:16], "start of their SHA-256")
    table.add_row("device", device, f"--gpu-id {gpu_id}")
    table.add_row(
        "precision",
        facts["precision"],
        f"precision = {get_shim(component.model).precision}; {device} is faster in {fast}",
    )
    table.add_row("threshold", str(facts["threshold"]), "of the component")
    table.add_row("batch_tokens", str(facts["batch_tokens"]), "of the component")
    linker = get_linker(nlp)
    if linker is None:
        table.add_row("knowledge base", "none", f"--kb {kb}: entities get no ids")
    else:
        table.add_row("knowledge base", facts["kb"][:16], f"start of its SHA-256; {linker.kb_path.name}")
    print_table(table)


def _ray_version() -> str:
    try:
        return version("ray")
    except PackageNotFoundError:
        return "not installed"
