"""The project: its file, its configs, and its commands in order, on a corpus of a few sentences."""

import hashlib
import math
import re
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import alignment
import assemble
import calibrate
import compare
import convert
import document
import engines
import evaluate
import export
import measured
import precision
import pytest
import spacy
import spanish
import srsly
import throughput
import visualize
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.util import load_config
from tiny_models import make_tiny_model
from tiny_pipelines import read_char_ents
from weasel.cli.assets import project_assets
from weasel.util.config import load_project_config

from craftner_spacy.labels import DISPLACY_COLORS
from craftner_spacy.linking.knowledge_base import BUNDLED

ROOT = Path(__file__).parents[2]
PROJECT = srsly.read_yaml(ROOT / "project.yml")
COMMANDS: dict[str, dict[str, Any]] = {command["name"]: command for command in PROJECT["commands"]}
CONFIGS = ("biobert", "small")

IOB = """\
Genes\tO
of\tO
{n}\tO
mice\tB-Taxon
.\tO

Pax6\tB-GGP
binds\tO
beta-actin\tB-GGP
in\tO
mouse\tB-Taxon
retinal\tB-CL
cells\tI-CL
.\tO

The\tO
exon\tB-SO
of\tO
a\tO
nuclear\tB-GO
kinase\tB-CHEBI
.\tO
"""
ARTICLE = "Genes of {n} mice.\n\nPax6 binds β-actin in mouse retinal cells. The exon of a nuclear kinase."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with an encoder and a converted corpus: two articles a split."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "iob").mkdir()
    (folder / "articles").mkdir()
    for i, split in enumerate(convert.SPLITS):
        numbers = (2 * i, 2 * i + 1)
        text = "\n".join(IOB.format(n=n) for n in numbers)
        (folder / "iob" / f"{split}.tsv").write_text(text, encoding="utf8")
        for n in numbers:
            (folder / "articles" / f"{n}.txt").write_text(ARTICLE.format(n=n), encoding="utf8")
    make_tiny_model(folder / "encoder", architecture="encoder", lowercase=True)
    convert.main(folder / "iob", folder / "articles", folder / "corpus", folder / "convert.json")
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The pipeline that `configs/small.cfg` trains for some steps."""
    fine_tune(folder, "small")
    return folder / "small" / "model-last"


def fine_tune(folder: Path, config: str) -> None:
    overrides = {
        "paths.encoder": str(folder / "encoder"),
        # All splits with both texts, so that the model learns them by heart.
        "paths.train": str(folder / "corpus"),
        "paths.dev": str(folder / "corpus" / "devel.spacy"),
        "training.max_steps": 200,
        "training.eval_frequency": 100,
        "training.optimizer.learn_rate.initial_rate": 5e-3,
        "training.optimizer.learn_rate.warmup_steps": 0,
        "training.optimizer.learn_rate.total_steps": 220,
    }
    train(ROOT / "configs" / f"{config}.cfg", folder / config, overrides=overrides)


def test_convert_places_everything_on_the_true_text(folder: Path) -> None:
    report = srsly.read_json(folder / "convert.json")
    assert (report["model"], report["weights"]) == (None, None)
    counts = report["splits"]
    for split in convert.SPLITS:
        assert counts[split]["sentences"] == counts[split]["sentences_placed"] == 6
        assert counts[split]["entities"] == counts[split]["entities_placed"] == 16
    doc, _ = DocBin().from_disk(folder / "corpus" / "devel.spacy").get_docs(spacy.blank("en").vocab)
    assert "β-actin" in [ent.text for ent in doc.ents]


def test_convert_fails_if_something_cannot_be_placed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "0.txt").write_text(ARTICLE.format(n=0).replace("exon", "intron"), encoding="utf8")
    for n in range(1, 6):
        (tmp_path / f"{n}.txt").write_text(ARTICLE.format(n=n), encoding="utf8")
    with pytest.raises(SystemExit) as stop:
        convert.main(folder / "iob", tmp_path, tmp_path / "corpus")
    assert stop.value.code == 1


@pytest.mark.parametrize("config", CONFIGS)
def test_training_shows_the_columns_of_the_card(
    folder: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fine_tune(folder, config)
    shown = capsys.readouterr().out
    assert re.search(r"LOSS CRAFT\S+ +ENTS_LOSS +ENTS_P +ENTS_R +ENTS_F +ENTS_ACC", shown), shown
    steps = [row.split()[1] for row in shown.splitlines() if re.match(r" *\d+ +\d+ ", row)]
    assert steps == ["0", "100", "200"]


def test_biobert_is_fine_tuned_as_its_card_says() -> None:
    config = load_config(ROOT / "configs" / "biobert.cfg", interpolate=True)
    training, optimizer = config["training"], config["training"]["optimizer"]
    assert config["paths"]["encoder"] == "dmis-lab/biobert-base-cased-v1.2"
    assert config["system"]["seed"] == 42
    assert training["batcher"] == {"@batchers": "spacy.batch_by_sequence.v1", "size": 8}
    assert config["corpora"]["train"]["max_tokens"] == 0
    assert (optimizer["@optimizers"], optimizer["L2"]) == ("Adam.v1", 0.0)
    assert (optimizer["beta1"], optimizer["beta2"], optimizer["eps"]) == (0.9, 0.999, 1e-8)
    rate = optimizer["learn_rate"]
    assert (rate["@schedules"], rate["initial_rate"], rate["warmup_steps"]) == ("warmup_linear.v1", 3e-5, 0)
    # The card's 1,360 steps an epoch, four of them.
    assert training["max_steps"] == rate["total_steps"] == 4 * 1360
    assert training["eval_frequency"] == 1360


def test_a_trained_pipeline_is_calibrated_exported_measured_packaged_and_shown(
    trained: Path, folder: Path
) -> None:
    shipped, metrics = folder / "shipped", folder / "measured"
    calibrate.main(
        trained / "craft_ner" / "model",
        folder / "corpus" / "iob" / "devel.spacy",
        folder / "calibrated",
        folder / "calibration.json",
    )
    digest = hashlib.sha256((folder / "calibrated" / "model.safetensors").read_bytes()).hexdigest()
    assert srsly.read_json(folder / "calibration.json")["weights"] == digest
    export.main(folder / "calibrated", shipped)
    assert not any(str(folder) in path.read_text(encoding="utf8") for path in shipped.glob("*.json"))

    evaluate.main(str(shipped), folder / "corpus", metrics)
    report = srsly.read_json(metrics.with_suffix(".json"))
    assert (report["model"], report["weights"]) == (str(shipped), measured.weights_digest(str(shipped)))
    for split in ("devel", "test"):
        words = report["splits"][split]["corpus_words"]
        assert words["f1"] == pytest.approx(1.0), "200 steps learn eight entities by heart"
        assert words["accuracy"] == pytest.approx(1.0)
        assert report["splits"][split]["raw_articles"]["f1"] == pytest.approx(1.0)
    assert "| " + " | ".join(evaluate.COLUMNS) in metrics.with_suffix(".md").read_text(encoding="utf8")

    assemble.main(
        str(shipped),
        folder / "assembled",
        package_name="craft_ner_sm",
        version="9.8.7",
        metrics=metrics.with_suffix(".json"),
    )
    before = spacy.blank("en")
    before.add_pipe("craft_ner", config={"model": {"name": str(shipped)}})
    after = spacy.load(folder / "assembled")
    assert after.pipe_names == ["craft_ner", "craft_linker"]
    assert (folder / "assembled" / "craft_linker" / "kb.sqlite").read_bytes() == BUNDLED.read_bytes()
    # A pipeline's weights are those of its component.
    assert measured.weights_digest(str(folder / "assembled")) == report["weights"]
    text = ARTICLE.format(n=7)
    assert read_char_ents(after(text)) == read_char_ents(before(text)) != []
    assert (after.meta["version"], after.meta["license"]) == ("9.8.7", "MIT")
    assert after.meta["labels"]["craft_ner"] == sorted(after.get_pipe("craft_ner").labels)  # type: ignore[attr-defined]
    assert after.meta["performance"]["splits"]["test"]["corpus_words"]["f1"] == pytest.approx(1.0)
    assert str(folder) not in (folder / "assembled" / "config.cfg").read_text(encoding="utf8")

    visualize.main(folder / "assembled", folder / "corpus" / "devel.spacy", folder / "page.html", n=1)
    page = (folder / "page.html").read_text(encoding="utf8")
    assert page.count("<mark") >= visualize.MIN_ENTITIES
    assert all(
        color in DISPLACY_COLORS.values() for color in re.findall(r"mark [^>]*background: (#\w+)", page)
    )


def test_calibration_changes_scores_and_no_entity(trained: Path, folder: Path) -> None:
    model, devel = trained / "craft_ner" / "model", folder / "corpus" / "iob" / "devel.spacy"
    calibrate.main(model, devel, folder / "again", folder / "again.json")
    fitted = srsly.read_json(folder / "again.json")
    docs = []
    for name in (model, folder / "again"):
        nlp = spacy.blank("en")
        nlp.add_pipe("craft_ner", config={"model": {"name": str(name)}})
        docs.append(nlp(ARTICLE.format(n=3)))
    before, after = docs
    assert before.to_json()["ents"] == after.to_json()["ents"]
    # All entities in this corpus are correct, so the lowest temperature fits best.
    assert fitted["temperature"] == calibrate.TEMPERATURES[0]
    scores = [doc.spans["craft_ner"].attrs["scores"] for doc in docs]
    assert all(high > low for low, high in zip(*scores, strict=True))


def test_the_docs_have_the_measured_figures(trained: Path, folder: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics"
    evaluate.main(str(trained), folder / "corpus", metrics / "small")
    srsly.write_json(metrics / "calibration.json", {"temperature": 1.25})
    step = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "accuracy": 0.5, "protein_f1": 0.5}
    srsly.write_json(metrics / "steps.json", {"steps": {"first": dict.fromkeys(("devel", "test"), step)}})
    tables = (metrics / "small.md").read_text(encoding="utf8")
    (metrics / "small.md").unlink()
    card, readme, picture = (tmp_path / name for name in ("CARD.md", "READ.md", "docs/scores.png"))
    marks = (
        "<!-- measured: with scripts/measure/evaluate.py -->\n",
        "<!-- end of measured -->",
        "<!-- measured: with benchmarks/speed.py -->\n",
    )
    fast = f"{marks[2]}earlier\n{marks[1]}"
    readme.write_text(f"before\n{marks[0]}former\n{marks[1]}\n{fast}\nafter\n", encoding="utf8")
    for _ in range(2):
        document.main(metrics, card, [readme], picture)
        text = readme.read_text(encoding="utf8")
        assert text.startswith(f"before\n{marks[0]}| model |")
        assert text.endswith(f"{marks[1]}\n{fast}\nafter\n")
        assert "former" not in text
        assert "| **`small`** | devel | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 |" in text
    assert (metrics / "small.md").read_text(encoding="utf8") == tables
    assert "temperature (1.25)" in card.read_text(encoding="utf8")
    assert "| first | 50.00 |" in card.read_text(encoding="utf8")
    assert "| Protein | GGP |" in card.read_text(encoding="utf8")
    assert picture.read_bytes().startswith(b"\x89PNG")
    speeds = {"craft_ner": 9000.0, "transformers pipeline": 2500.0, "spacy-wrap": 2000.0}
    speeds |= {"hf_token_pipe": 2400.0, "hf_token_pipe, bfloat16": 4100.0}
    contenders = {name: {"words_per_second": speed} for name, speed in speeds.items()}
    articles = {"precision": "bf16", "contenders": contenders}
    cpu = {"name": "Processor", "threads": 2}
    part = document.speed({"cpu": cpu, "models": {"small": {"articles": articles}}})
    for line in (
        "| **`craft_ner`**, small | 9,000 |",
        "| `hf_token_pipe` by default, small | 2,400 |",
        "| `hf_token_pipe`, the best of its settings, small | 4,100 |",
        'in one run on 2 cores (Processor). `precision = "auto"` is bf16 there.',
    ):
        assert line in part
    srsly.write_json(metrics / "speed.json", srsly.read_json(ROOT / "metrics" / "speed.json"))
    document.main(metrics, card, [readme], picture)
    assert "earlier" not in readme.read_text(encoding="utf8")
    readme.write_text("no marks", encoding="utf8")
    with pytest.raises(SystemExit):
        document.main(metrics, card, [readme], picture)


def test_steps_and_seeds_are_compared(trained: Path, folder: Path) -> None:
    for name in ("first", "tuned-1", "tuned-2"):
        copytree(trained / "craft_ner" / "model", folder / name)
    models = [folder / name for name in ("first", "tuned-1", "tuned-2")]
    compare.main(folder / "corpus", models, folder / "steps", str(folder / "first"))
    report = srsly.read_json(folder / "steps.json")
    assert report["weights"] == measured.weights_digest(str(folder / "first"))
    steps = report["steps"]
    assert steps["first"] == steps["tuned-1"] == steps["tuned-2"]
    assert steps["first"]["test"]["protein_f1"] == pytest.approx(1.0)
    last = (folder / "steps.md").read_text(encoding="utf8").splitlines()[-1]
    assert last.startswith("| tuned, mean of 2 seeds | 100.00 ± 0.00 |")


def test_hours_on_a_cluster_are_calculated_from_the_speed_of_one_worker() -> None:
    report = srsly.read_json(ROOT / "metrics" / "engines.json")
    report["paragraphs"]["runs"]["ray, 1 worker"]["words_per_second"] = 37_000_000 * 200 / 3600
    calculated = engines.as_markdown(report)
    assert "take 1 core-hours." in calculated
    assert "| 16 | 0.1 |" in calculated


def test_alignment_is_measured_with_both_tokenizers(trained: Path, folder: Path) -> None:
    model = trained / "craft_ner" / "model"
    alignment.main(str(model), folder / "corpus", folder / "alignment", splits="devel")
    report = srsly.read_json(folder / "alignment.json")
    assert report["weights"] == measured.weights_digest(str(model))
    for row in report["splits"]["devel"].values():
        assert row["gold"] == 16
        assert row["modes"]["split"]["f1"] == pytest.approx(1.0)
        assert row["modes"]["split"]["predicted_unplaced"] == 0
    assert "| spaCy's | split | 100.00 | 100.00 | 100.00 | 16 | 0 |" in (
        (folder / "alignment.md").read_text(encoding="utf8")
    )


def test_precisions_are_compared_with_the_first(trained: Path, folder: Path) -> None:
    model = str(trained / "craft_ner" / "model")
    precision.main(model, folder / "corpus", precisions="fp32,bf16", out=folder / "precision")
    rows = srsly.read_json(folder / "precision.json")["precisions"]
    assert list(rows) == ["fp32", "bf16"]
    assert [row["f1_words"] for row in rows.values()] == pytest.approx([1.0, 1.0])
    assert (rows["fp32"]["entities"], rows["fp32"]["only_here"], rows["bf16"]["only_here"]) == (16, 0, 0)
    error = f"{100 * rows['fp32']['calibration_error']:.2f}"
    page = (folder / "precision.md").read_text(encoding="utf8")
    assert f"| fp32 | 100.00 | 100.00 | {error} | 16 | 0 | 0 |" in page


def test_engines_are_compared_byte_for_byte(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(ARTICLE.format(n=1), encoding="utf8")
    real = engines.annotate

    thresholds = {"local": 0.0, "ray": 0.0}

    def annotate(inputs: Path, out: Path, model: str, engine: str, workers: int, limit: int) -> Any:
        return real(inputs, out, model, limit=limit, threshold=thresholds[engine])

    monkeypatch.setattr(engines, "annotate", annotate)
    counts = engines.compare(tmp_path / "in", tmp_path, str(tiny_model), None)
    assert (counts["records"], counts["words"]) == (1, len(ARTICLE.format(n=1).split()))
    assert counts["equal_bytes"] == (tmp_path / "ray.jsonl").stat().st_size
    (tmp_path / "local.jsonl").unlink()
    (tmp_path / "ray.jsonl").unlink()
    thresholds["ray"] = 1.0
    with pytest.raises(SystemExit):
        engines.compare(tmp_path / "in", tmp_path, str(tiny_model), None)


def test_throughput_is_measured_and_has_a_minimum(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "articles").mkdir()
    for n in range(3):
        (tmp_path / "articles" / f"{n}.txt").write_text(ARTICLE.format(n=n), encoding="utf8")
    out = tmp_path / "throughput"
    monkeypatch.setattr(throughput, "MIN_SHARE", 0.0)
    throughput.main(tmp_path / "articles", str(tiny_model), n=2, rounds=2, out=out)
    sets = srsly.read_json(out.with_suffix(".json"))["sets"]
    assert [row["texts"] for row in sets.values()] == [2, 2]
    for row in sets.values():
        assert row["words"] == 2 * len(ARTICLE.split())
        assert len(row["seconds"]) == 2
        assert row["share"]["wall"] > 0
    monkeypatch.setattr(throughput, "MIN_SHARE", math.inf)
    with pytest.raises(SystemExit) as stop:
        throughput.main(tmp_path / "articles", str(tiny_model), n=1, rounds=1, out=out)
    assert stop.value.code == 1


def test_spanish_and_english_are_measured(trained: Path, folder: Path) -> None:
    spanish.main(str(trained / "craft_ner" / "model"), ROOT / "tests/data/spanish.jsonl", folder / "es")
    report = srsly.read_json(folder / "es.json")
    assert list(report["languages"]) == ["es", "en"]
    for scores in report["languages"].values():
        assert (scores["texts"], scores["entities"]) == (40, 104)
        assert 0.0 <= scores["f1"] < 1.0
    # The tiny model knows a few English words of these sentences.
    assert report["languages"]["en"]["f1"] > 0.0
    assert "| Spanish | 40 | 104 | " in (folder / "es.md").read_text(encoding="utf8")


def test_spanish_sentences_have_the_same_labels_in_both_languages() -> None:
    rows = list(srsly.read_jsonl(ROOT / "tests/data/spanish.jsonl"))
    assert [row["id"] for row in rows] == [f"{i:02}-{lang}" for i in range(1, 41) for lang in ("es", "en")]
    for row in rows:
        assert row["id"].endswith(row["lang"])
        for ent in row["entities"]:
            assert row["text"][ent["start"] : ent["end"]] == ent["text"]
    for spanish_row, english_row in zip(rows[::2], rows[1::2], strict=True):
        labels = [sorted(ent["label"] for ent in row["entities"]) for row in (spanish_row, english_row)]
        assert labels[0] == labels[1]
        assert set(labels[0]) <= set(DISPLACY_COLORS)


def test_workflows_name_commands_and_each_has_help() -> None:
    for name, steps in PROJECT["workflows"].items():
        assert set(steps) <= set(COMMANDS), name
    assert all(command["help"] for command in COMMANDS.values())
    assert {"convert", "debug-data", "train", "evaluate", "package", "visualize", "clean"} <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"clean"}))
def test_commands_depend_on_their_scripts_and_configs(name: str) -> None:
    command = COMMANDS[name]
    used = set(re.findall(r"(?:scripts|configs|benchmarks)/\S+\.(?:py|cfg)", " ".join(command["script"])))
    assert used <= set(command["deps"])
    assert all((ROOT / path.replace("${vars.config}", "small")).is_file() for path in used)


def test_variables_choose_another_model(project_folder: Path) -> None:
    overrides = {"vars.model": "biobert", "vars.package": "craft_ner_trf"}
    project = load_project_config(project_folder, overrides=overrides)
    [package] = [command for command in project["commands"] if command["name"] == "package"]
    assert "biobert training/craft_ner_trf --package-name craft_ner_trf" in package["script"][0]
    assert set(assemble.PACKAGES) == {"craft_ner_sm", "craft_ner_md", "craft_ner_trf"}


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """A folder with the project's file alone: loading a project makes its folders."""
    copyfile(ROOT / "project.yml", tmp_path / "project.yml")
    return tmp_path


def fixed_assets(project_folder: Path) -> list[dict[str, str]]:
    """What `project assets` downloads without --extra."""
    assets = load_project_config(project_folder)["assets"]
    return [asset for asset in assets if not asset.get("extra", False)]


def test_assets_have_checksums_and_a_public_source_of_a_fixed_version(project_folder: Path) -> None:
    assets = fixed_assets(project_folder)
    assert len(assets) > 67
    for asset in assets:
        assert re.fullmatch(r"[0-9a-f]{32}", asset["checksum"]), asset["dest"]
        assert re.match(r"https://raw\.githubusercontent\.com/[\w/-]+/[0-9a-f]{40}/", asset["url"]), asset[
            "dest"
        ]


def test_assets_that_are_there_with_their_checksums_are_not_downloaded(
    project_folder: Path, no_network: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    project = (project_folder / "project.yml").read_text(encoding="utf8")
    assets = fixed_assets(project_folder)
    for number, asset in enumerate(assets):
        path = project_folder / asset["dest"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number), encoding="utf8")
        project = project.replace(asset["checksum"], hashlib.md5(path.read_bytes()).hexdigest())
    (project_folder / "project.yml").write_text(project, encoding="utf8")
    project_assets(project_folder)
    assert capsys.readouterr().out.count("Skipping download with matching checksum") == len(assets)
    assert not no_network


def test_all_six_ontologies_are_assets_the_large_ones_if_asked_for(project_folder: Path) -> None:
    project = load_project_config(project_folder)
    assets = {asset["dest"]: asset for asset in project["assets"] if "/ontologies/" in asset["dest"]}
    extra = {dest for dest, asset in assets.items() if asset.get("extra")}
    assert {Path(dest).name for dest in assets.keys() - extra} == {"CL.obo.zip", "SO.obo.zip"}
    [command] = [command for command in project["commands"] if command["name"] == "kb"]
    assert extra == set(command["deps"])
    for dest in extra:
        assert assets[dest]["url"] == f"http://purl.obolibrary.org/obo/{Path(dest).name}"
        assert f"={dest} " in f"{command['script'][0]} "
    page = (ROOT / "docs" / "linking.md").read_text(encoding="utf8")
    assert all(f"`{assets[dest]['url']}`" in page for dest in extra)
