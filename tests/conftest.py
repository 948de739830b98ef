"""Tiny models and pipelines, made once a session, and a process without network.

Their makers are modules of `tests/helpers`, which is on the path.
"""

import os
import socket
from pathlib import Path

# huggingface_hub reads this once, when it is imported: this process never asks the hub, whatever a test
# does. Tests that need a hub run a program in a process of its own (`processes.run_program`).
os.environ["HF_HUB_OFFLINE"] = "1"
# Torch reads this, here and in the processes that tests start: with tiny models more threads are no faster,
# and those of tests that run side by side wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings
from tiny_kbs import make_tiny_kb
from tiny_models import make_tiny_model, make_tiny_roberta
from tiny_pipelines import make_nlp, train

# The first forward pass of a model takes longer than hypothesis allows for an example; so do others on a busy
# machine.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", PATIENT)
settings.register_profile("soak", PATIENT, max_examples=10_000)
# Each mutant is tested with the same few examples, and with none that another mutant left in the database.
settings.register_profile("mutation", PATIENT, max_examples=20, derandomize=True, database=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BERT shaped like the hub's fine-tuned BioBERT. Shared: do not write into it."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "bert")


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny RoBERTa: byte-level BPE, positions that begin after the padding's. Shared."""
    return make_tiny_roberta(tmp_path_factory.mktemp("tiny") / "roberta")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BERT without a classifier. Shared."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "encoder", architecture="encoder")


@pytest.fixture(scope="session")
def pipeline(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline on disk with the tiny model. Shared: do not write into it."""
    path = tmp_path_factory.mktemp("pipeline") / "tiny"
    make_nlp(tiny_model).to_disk(path)
    return path


@pytest.fixture(scope="session")
def tiny_kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A knowledge base for the tiny model. Shared: do not write into it."""
    return make_tiny_kb(tmp_path_factory.mktemp("kb") / "tiny.sqlite")


@pytest.fixture(scope="session")
def trained_pipeline(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline on disk that knows the texts of `tiny_pipelines` by heart. Shared: do not write into it."""
    path = tmp_path_factory.mktemp("trained") / "pipeline"
    train(tiny_encoder, 160).to_disk(path)
    return path


@pytest.fixture(scope="session")
def trained_model(trained_pipeline: Path) -> Path:
    """The folder of the trained pipeline's model. Shared: do not write into it."""
    return trained_pipeline / "craft_ner" / "model"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Connecting or looking up a host raises OSError; the list holds all attempts, caught errors included."""
    attempts: list[object] = []
    connect = socket.socket.connect

    def refuse(*address: object, **_: object) -> None:
        attempts.append(address)
        raise OSError(f"a test without network tried to reach {address}")

    def connect_locally(self: socket.socket, address: object) -> None:
        if self.family != getattr(socket, "AF_UNIX", None):
            refuse(address)
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect_locally)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_locally)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return attempts
