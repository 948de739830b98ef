"""Tiny models, made once a session, and a process without network.

The makers are in `tiny_models`, the hub in `hub`: import them by these names.
"""

import os
import socket
from pathlib import Path

# Read once by huggingface_hub, when it is imported: this process never asks the hub, whatever a test does.
# Tests that need a hub run their code in a process of its own (`hub.run_python`).
os.environ["HF_HUB_OFFLINE"] = "1"
# Read by torch, here and in the processes that tests start: for tiny models more threads are no gain, and
# those of tests that run side by side wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import spacy
from hypothesis import HealthCheck, settings
from tiny_models import make_tiny_model, make_tiny_roberta

# A model's first forward pass takes longer than hypothesis allows an example, and so does a busy machine.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", PATIENT)
settings.register_profile("soak", PATIENT, max_examples=10_000)
# Each mutant meets the same few examples, and none that another one left behind.
settings.register_profile("mutation", PATIENT, max_examples=20, derandomize=True, database=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny BERT shaped like the hub's fine-tuned BioBERT. Shared: do not write into it."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "bert")


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny RoBERTa: byte-level BPE, positions that begin after the padding's. Shared."""
    return make_tiny_roberta(tmp_path_factory.mktemp("tiny") / "roberta")


@pytest.fixture(scope="session")
def pipeline(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline on disk with the tiny model. Shared: do not write into it."""
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={"model": {"name": str(tiny_model), "precision": "fp32"}})
    path = tmp_path_factory.mktemp("pipeline") / "tiny"
    nlp.to_disk(path)
    return path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Connecting or looking up a host raises OSError; the list holds what was tried, swallowed or not."""
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
