"""What the modules of craftner_spacy.linking may not import."""

import ast
from pathlib import Path

import craftner_spacy.linking

MODULES = sorted(Path(craftner_spacy.linking.__file__).parent.glob("*.py"))


def test_linking_needs_no_network_and_no_torch() -> None:
    heavy = ("torch", "transformers", "huggingface_hub", "pickle", "urllib.request", "requests")
    assert len(MODULES) > 10
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(module.startswith(heavy) for module in names), path.name
