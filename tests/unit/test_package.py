"""The package as a whole: its files, entry points and imports, and the docstrings of its functions."""

import ast
import doctest
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import catalogue  # type: ignore[import-untyped]
import pytest
import spacy
from spacy.util import registry

import craftner_spacy
from craftner_spacy.data.records import DAMAGE

DISTRIBUTION = metadata.distribution("craftner_spacy")
PACKAGE = Path(craftner_spacy.__file__).parent
WALKED = {
    module.name.removeprefix("craftner_spacy."): module.ispkg
    for module in pkgutil.walk_packages([str(PACKAGE)], "craftner_spacy.")
}
MODULES = sorted(name for name, is_package in WALKED.items() if not is_package)
"""All modules, by their dotted path below the package."""
WINGS = sorted(name for name, is_package in WALKED.items() if is_package)
REGISTRIES = {
    "spacy_architectures": registry.architectures,
    "spacy_augmenters": registry.augmenters,
    "spacy_displacy_colors": registry.displacy_colors,
    "spacy_readers": registry.readers,
    "spacy_scorers": registry.scorers,
    "spacy_tokenizers": registry.tokenizers,
}
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "algorithms": (
        (),
        (
            "drops folder_settings label_names labels linear_tokenizer locking progress types",
            "batching pooling ranges sources span_group splitting tokenizer wordpieces",
            "alignment windows",
            "settings tags",
            "decoding folders",
            "loss",
        ),
    ),
    "inference": (
        ("algorithms",),
        (
            "inference.network inference.packed_linear inference.quantized_linear inference.units",
            "inference.calibration inference.feed_forward inference.padding inference.unpadded_bert",
            "inference.bf16",
            "inference.int8",
            "inference.precision",
        ),
    ),
    "linking": (
        ("algorithms",),
        (
            "linking.abbreviations linking.links linking.names linking.schema linking.temporary "
            "linking.unknown_labels",
            "linking.knowledge_base linking.ontologies linking.staging",
            "linking.builder linking.candidates linking.mentions",
            "linking.filling linking.scorer linking.source linking.ties",
            "linking.document",
            "linking.entities",
            "linking.craft_linker",
        ),
    ),
    "component": (
        ("algorithms", "inference", "linking"),
        ("shim", "model", "craft_ner", "factory pipelines", "finding"),
    ),
    "data": (
        ("algorithms", "linking"),
        (
            "data.encodings data.file_kinds data.limits data.message_sizes data.parquet_footer data.records",
            "data.json_documents data.row_sizes data.structure data.tar_members "
            "data.xml_parsing data.xml_text",
            "data.brat data.column_types data.conll data.jsonl data.pubtator data.text data.xml_records",
            "data.bioc data.docbin data.jats data.medline data.parquet data.prodigy data.tables",
            "data.formats data.set_stats",
            "data.report",
        ),
    ),
    "evaluation": (("algorithms",), ("evaluation.scorers", "evaluation.analysis")),
    "training": (
        ("algorithms", "linking"),
        (
            "training.corpus training.folding training.knowtator",
            "training.entity_names training.projection training.sentence_windows",
            "training.augment",
        ),
    ),
    "processing": (
        ("algorithms", "component", "data"),
        (
            "processing.counted_records processing.manifest processing.seen_ids processing.settings "
            "processing.source_files processing.stops",
            "processing.inputs processing.ray_cluster",
            "processing.engine processing.output_files",
            "processing.workdir",
            "processing.processes processing.ray_data",
            "processing.local",
            "processing.ray",
            "processing.annotate processing.convert",
        ),
    ),
    "commands": (
        ("algorithms", "inference", "component", "data", "linking", "processing"),
        (
            "commands.errors commands.left_out commands.options commands.stops commands.tables",
            "commands.annotate commands.convert commands.find commands.info commands.kb commands.labels "
            "commands.report",
            "__main__",
        ),
    ),
}
"""The parts of the package: from which parts each may import, and its modules by layer. Within its part a
module may import from the layers below its own."""


CAUGHT_TOGETHER = {error.__name__ for error in DAMAGE}


def test_tests_meet_the_installed_package() -> None:
    origin = json.loads(DISTRIBUTION.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        pytest.skip("an editable install is the source folder itself")
    assert Path(str(DISTRIBUTION.locate_file("craftner_spacy"))).resolve() == PACKAGE.resolve()


def test_package_has_its_types_and_its_model() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "data" / "report.html").is_file()
    assert (PACKAGE / "inference" / "sample.txt").is_file()
    names = {path.name for path in (PACKAGE / "small").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "MODEL_CARD.md"} <= names


def test_entry_points_resolve() -> None:
    # That of the shell is tested with the commands.
    points = [point for point in DISTRIBUTION.entry_points if point.group != "console_scripts"]
    assert {point.group for point in points} == {*REGISTRIES, "spacy_factories"}
    for point in points:
        if point.group in REGISTRIES:
            assert REGISTRIES[point.group].get(point.name) is point.load()
        else:
            assert point.group == "spacy_factories"
            point.load()
            assert spacy.blank("en").has_factory(point.name)


def test_registered_names_are_unique_and_have_a_version() -> None:
    names = [point.name for point in DISTRIBUTION.entry_points if point.group != "console_scripts"]
    assert len(names) == len(set(names))
    for point in DISTRIBUTION.entry_points:
        if point.group not in {"console_scripts", "spacy_factories", "spacy_displacy_colors"}:
            assert re.fullmatch(r"craftner_spacy\.\w+\.v\d+", point.name)
            point.load()
            by_decorator = ("spacy", point.group.removeprefix("spacy_"), point.name)
            assert by_decorator not in catalogue.REGISTRY, f"{point.name}: an entry point is enough"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__main__"])
def test_doctests(name: str) -> None:
    module = importlib.import_module(f"craftner_spacy.{name}")
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


# Imports


def test_every_module_is_on_one_layer() -> None:
    placed = [name for _, layers in PARTS.values() for layer in layers for name in layer.split()]
    assert sorted(placed) == MODULES, "give each module one layer in PARTS"
    for part, (parts_below, _) in PARTS.items():
        assert list(PARTS).index(part) >= len(parts_below)
        assert set(parts_below) <= set(list(PARTS)[: list(PARTS).index(part)]), "parts are in their order"


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_downward(name: str) -> None:
    part = next(part for part, (_, layers) in PARTS.items() if name in " ".join(layers).split())
    parts_below, layers = PARTS[part]
    allowed = {module for below in parts_below for layer in PARTS[below][1] for module in layer.split()}
    for layer in layers:
        if name in layer.split():
            break
        allowed |= set(layer.split())
    assert imported_modules(name) <= allowed, f"{name} imports a module that is not below it"


def test_packages_import_nothing() -> None:
    assert WINGS == ["commands", "data", "evaluation", "inference", "linking", "processing", "training"]
    for wing in WINGS:
        assert imported_modules(f"{wing}.__init__") == set()


def source(name: str) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse((PACKAGE / f"{name.replace('.', '/')}.py").read_text(encoding="utf8"))


def imported_modules(name: str) -> set[str]:
    """The package's modules that a module imports anywhere, absolutely or relatively."""
    modules = set()
    for node in ast.walk(source(name)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            ancestors = f"craftner_spacy.{name}".split(".")[: -node.level] if node.level else []
            base = ".".join([*ancestors, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        modules |= {imported.removeprefix("craftner_spacy.") for imported in names}
    return modules & set(MODULES)


# Docstrings


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("_")])
def test_docstrings_name_the_errors(name: str) -> None:
    """A public function's docstring names, after RAISES:, the types that it or its private helpers raise."""
    tree = source(name)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    helpers = {function.name: function for function in functions if is_private(function.name)}
    for qualified, docstring, function in public_functions(tree):
        named = docstring.partition("RAISES:")[2]
        missing = {error for error in escaping_errors(function, helpers) if error not in named}
        assert not missing, f"{name}.{qualified} raises {', '.join(sorted(missing))}"


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_have_one_form_for_errors(name: str) -> None:
    for node in ast.walk(source(name)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            docstring = ast.get_docstring(node) or ""
            assert not re.search(r"\bRaises\b|RAISES(?!: \S)", docstring), getattr(node, "name", name)
            assert docstring.count("RAISES:") <= 1, getattr(node, "name", name)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def public_functions(tree: ast.Module) -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """Public functions and methods: name, docstring, definition.

    The making of an object may be documented by its class, and the setter of a property by its getter.
    """
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not is_private(node.name):
            yield node.name, ast.get_docstring(node) or "", node
        elif isinstance(node, ast.ClassDef) and not is_private(node.name):
            methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
            for method in methods:
                if not is_private(method.name):
                    documented: list[ast.FunctionDef | ast.ClassDef]
                    documented = [other for other in methods if other.name == method.name]
                    documented += [node] if method.name in ("__init__", "__post_init__") else []
                    docstring = "\n".join(ast.get_docstring(part) or "" for part in documented)
                    yield f"{node.name}.{method.name}", docstring, method


def escaping_errors(
    node: ast.AST, helpers: dict[str, ast.FunctionDef], callers: tuple[str, ...] = ()
) -> set[str]:
    """The types that `raise` statements in a piece of code, and in the private helpers it calls, have.

    Those that the code catches by the same name are left out; what other functions raise is not known.
    """
    if isinstance(node, ast.Raise) and node.exc is not None:
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = error.attr if isinstance(error, ast.Attribute) else getattr(error, "id", "")
        # A name in lower case is a variable: an error that was caught before.
        return {name} if name[:1].isupper() else set()
    errors: set[str] = set()
    if isinstance(node, ast.Try):
        errors = {error for child in node.body for error in escaping_errors(child, helpers, callers)}
        errors -= {
            caught
            for handler in node.handlers
            if handler.type is not None
            for name in ast.walk(handler.type)
            if isinstance(name, ast.Name)
            for caught in (CAUGHT_TOGETHER if name.id == "DAMAGE" else {name.id})
        }
        children: list[ast.AST] = [*node.handlers, *node.orelse, *node.finalbody]
    else:
        children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in helpers and called not in callers:
            errors |= escaping_errors(helpers[called], helpers, (*callers, called))
    return errors.union(*(escaping_errors(child, helpers, callers) for child in children))


def test_errors_of_helpers_are_found_and_caught_ones_are_not() -> None:
    tree = ast.parse(
        "def public(x):\n"
        "    try:\n"
        "        _check(x)\n"
        "    except KeyError as err:\n"
        "        raise OSError from err\n"
        "def _check(x):\n"
        "    if x:\n"
        "        raise KeyError(x)\n"
        "    raise ValueError\n"
    )
    helpers = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert escaping_errors(helpers["public"], helpers) == {"OSError", "ValueError"}
