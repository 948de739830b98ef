"""The project: its file, its configs, and its commands one after the other on a corpus of a few sentences."""

import math
import re
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import assemble
import calibrate
import compare
import convert
import document
import engines
import evaluate
import export
import measured
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
from weasel.util.config import load_project_config

from craftner_spacy.labels import DISPLACY_COLORS

ROOT = Path(__file__).parent.parent
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
        # All splits and both texts, to be learned by heart.
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
    counts = srsly.read_json(folder / "convert.json")
    for split in convert.SPLITS:
        assert counts[split]["sentences"] == counts[split]["sentences_placed"] == 6
        assert counts[split]["entities"] == counts[split]["entities_placed"] == 16
    doc, _ = DocBin().from_disk(folder / "corpus" / "devel.spacy").get_docs(spacy.blank("en").vocab)
    assert "β-actin" in [ent.text for ent in doc.ents]


def test_convert_says_what_has_no_place(folder: Path, tmp_path: Path) -> None:
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
    config = load_config(ROOT / "configs" / "biobert.cfg")
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


def test_from_the_trained_pipeline_to_a_packaged_one_and_its_papers(trained: Path, folder: Path) -> None:
    shipped, metrics = folder / "shipped", folder / "measured"
    calibrate.main(
        trained / "craft_ner" / "model",
        folder / "corpus" / "iob" / "devel.spacy",
        folder / "calibrated",
        folder / "calibration.json",
    )
    export.main(folder / "calibrated", shipped)
    assert not any(str(folder) in path.read_text(encoding="utf8") for path in shipped.glob("*.json"))

    evaluate.main(str(shipped), folder / "corpus", metrics)
    report = srsly.read_json(metrics.with_suffix(".json"))
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
    text = ARTICLE.format(n=7)
    assert after(text).to_json()["ents"] == before(text).to_json()["ents"] != []
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
    found = []
    for name in (model, folder / "again"):
        nlp = spacy.blank("en")
        nlp.add_pipe("craft_ner", config={"model": {"name": str(name)}})
        found.append(nlp(ARTICLE.format(n=3)))
    plain, fit = found
    assert plain.to_json()["ents"] == fit.to_json()["ents"]
    # What is found in this corpus is right, so the sharpest temperature fits best.
    assert fitted["temperature"] == calibrate.TEMPERATURES[0]
    scores = [doc.spans["craft_ner"].attrs["scores"] for doc in found]
    assert all(high > low for low, high in zip(*scores, strict=True))


def test_the_papers_hold_the_measured_figures(trained: Path, folder: Path) -> None:
    evaluate.main(str(trained), folder / "corpus", folder / "figures")
    srsly.write_json(folder / "temperature.json", {"temperature": 1.25})
    (folder / "steps.md").write_text("| model | figures |\n", encoding="utf8")
    papers = [folder / name for name in ("figures.json", "temperature.json", "steps.md")]
    card, readme, picture = (folder / name for name in ("CARD.md", "READ.md", "docs/scores.png"))
    marks = (
        "<!-- measured: with scripts/evaluate.py -->\n",
        "<!-- end of measured -->",
        "<!-- measured: with benchmarks/speed.py -->\n",
    )
    fast = f"{marks[2]}earlier\n{marks[1]}"
    readme.write_text(f"before\n{marks[0]}former\n{marks[1]}\n{fast}\nafter\n", encoding="utf8")
    for _ in range(2):
        document.main(*papers, card, readme, picture)
        text = readme.read_text(encoding="utf8")
        assert text.startswith(f"before\n{marks[0]}| model |")
        assert text.endswith(f"{marks[1]}\n{fast}\nafter\n")
        assert "former" not in text
        assert "| **`small`** | devel | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 |" in text
    assert "temperature (1.25)" in card.read_text(encoding="utf8")
    assert "| Protein | GGP |" in card.read_text(encoding="utf8")
    assert picture.read_bytes().startswith(b"\x89PNG")
    contenders = {"craft_ner": 9000.0, "transformers pipeline": 2500.0, "spacy-wrap": 2000.0}
    contenders |= {"hf_token_pipe": 2400.0, "hf_token_pipe, bfloat16": 4100.0}
    found = {"contenders": {name: {"words_per_second": speed} for name, speed in contenders.items()}}
    machine = {"processor": "Processor", "threads": 2, "bf16_units": True}
    srsly.write_json(folder / "speed.json", {"machine": machine, "models": {"small": {"articles": found}}})
    document.main(*papers, card, readme, picture, folder / "speed.json")
    assert "earlier" not in readme.read_text(encoding="utf8")
    for line in (
        "| **`craft_ner`**, small | 9,000 |",
        "| `hf_token_pipe` by default, small | 2,400 |",
        "| `hf_token_pipe`, the best of its settings, small | 4,100 |",
        "in one run on 2 cores (Processor), which `auto` has compute in bf16;",
    ):
        assert line in readme.read_text(encoding="utf8")
    readme.write_text("no marks", encoding="utf8")
    with pytest.raises(SystemExit):
        document.main(*papers, card, readme, picture)


def test_steps_and_seeds_are_compared(trained: Path, folder: Path) -> None:
    for name in ("first", "tuned-1", "tuned-2"):
        copytree(trained / "craft_ner" / "model", folder / name)
    compare.main(
        folder / "corpus", [folder / name for name in ("first", "tuned-1", "tuned-2")], folder / "steps"
    )
    report = srsly.read_json(folder / "steps.json")
    assert report["first"] == report["tuned-1"] == report["tuned-2"]
    assert report["first"]["test"]["protein_f1"] == pytest.approx(1.0)
    last = (folder / "steps.md").read_text(encoding="utf8").splitlines()[-1]
    assert last.startswith("| tuned, mean of 2 seeds | 100.00 ± 0.00 |")


def test_the_page_on_clusters_holds_the_measured_figures() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf8")
    report = srsly.read_json(ROOT / "metrics" / "engines.json")
    marked = measured.marked(page, engines.MEASURED_BY)
    assert marked is not None
    assert engines.as_markdown(report) in marked[0]
    report["paragraphs"]["runs"]["ray, 1 worker"]["words_per_second"] = 37_000_000 * 200 / 3600
    calculated = engines.as_markdown(report)
    assert "so 1 core-hours." in calculated
    assert "| 16 | 0.1 |" in calculated


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
    found = engines.compare(tmp_path / "in", tmp_path, str(tiny_model), None)
    assert (found["records"], found["words"]) == (1, len(ARTICLE.format(n=1).split()))
    assert found["equal_bytes"] == (tmp_path / "ray.jsonl").stat().st_size
    (tmp_path / "local.jsonl").unlink()
    (tmp_path / "ray.jsonl").unlink()
    thresholds["ray"] = 1.0
    with pytest.raises(SystemExit):
        engines.compare(tmp_path / "in", tmp_path, str(tiny_model), None)


def test_throughput_is_measured_and_has_a_limit(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "articles").mkdir()
    for n in range(3):
        (tmp_path / "articles" / f"{n}.txt").write_text(ARTICLE.format(n=n), encoding="utf8")
    out = tmp_path / "throughput"
    monkeypatch.setattr(throughput, "LEAST_SHARE", 0.0)
    throughput.main(tmp_path / "articles", str(tiny_model), n=2, rounds=2, out=out)
    sets = srsly.read_json(out.with_suffix(".json"))["sets"]
    assert [found["texts"] for found in sets.values()] == [2, 2]
    for found in sets.values():
        assert found["words"] == 2 * len(ARTICLE.split())
        assert len(found["seconds"]) == 2
        assert found["share"]["wall"] > 0
    monkeypatch.setattr(throughput, "LEAST_SHARE", math.inf)
    with pytest.raises(SystemExit) as stop:
        throughput.main(tmp_path / "articles", str(tiny_model), n=1, rounds=1, out=out)
    assert stop.value.code == 1


def test_spanish_is_measured_beside_english(trained: Path, folder: Path) -> None:
    spanish.main(str(trained / "craft_ner" / "model"), ROOT / "tests/data/spanish.jsonl", folder / "es")
    report = srsly.read_json(folder / "es.json")
    assert list(report["languages"]) == ["es", "en"]
    for scores in report["languages"].values():
        assert (scores["texts"], scores["entities"]) == (40, 104)
        assert 0.0 <= scores["f1"] < 1.0
    # Of these sentences the tiny model knows a few English words.
    assert report["languages"]["en"]["f1"] > 0.0
    assert "| Spanish | 40 | 104 | " in (folder / "es.md").read_text(encoding="utf8")


def test_spanish_sentences_are_annotated_alike_in_both_languages() -> None:
    rows = list(srsly.read_jsonl(ROOT / "tests/data/spanish.jsonl"))
    assert [row["id"] for row in rows] == [f"{i:02}-{lang}" for i in range(1, 41) for lang in ("es", "en")]
    for row in rows:
        assert row["id"].endswith(row["lang"])
        for ent in row["entities"]:
            assert row["text"][ent["start"] : ent["end"]] == ent["text"]
    for theirs, ours in zip(rows[::2], rows[1::2], strict=True):
        labels = [sorted(ent["label"] for ent in row["entities"]) for row in (theirs, ours)]
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


def test_variables_name_the_other_recipe(tmp_path: Path) -> None:
    # Reading a project makes its folders: not here.
    copyfile(ROOT / "project.yml", tmp_path / "project.yml")
    project = load_project_config(
        tmp_path, overrides={"vars.model": "biobert", "vars.package": "craft_ner_trf"}
    )
    [package] = [command for command in project["commands"] if command["name"] == "package"]
    assert "biobert training/craft_ner_trf --package-name craft_ner_trf" in package["script"][0]
    assert set(assemble.PACKAGES) == {"craft_ner_sm", "craft_ner_trf"}


def test_assets_have_checksums_and_a_public_source_of_a_fixed_version() -> None:
    assert len(PROJECT["assets"]) > 67
    for asset in PROJECT["assets"]:
        assert re.fullmatch(r"[0-9a-f]{32}", asset["checksum"]), asset["dest"]
        assert re.search(r"/[0-9a-f]{40}/", asset["url"]), asset["dest"]
