"""The service of docs/service.md under load: eight clients at once get the answers of texts one by one."""

import asyncio
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from tiny_pipelines import TEXTS

from craftner_spacy import FoundEntity, find

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "service.md"
N_CLIENTS, N_REQUESTS = 8, 200
LOAD = [f"{TEXTS[i % len(TEXTS)]} {i}" for i in range(N_REQUESTS)]


@pytest.fixture
def service(trained_pipeline: Path) -> dict[str, Any]:
    """The names of the page's program, with a tiny pipeline."""
    program = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf8"), flags=re.S | re.M)[0]
    names: dict[str, Any] = {"__name__": "service"}
    exec(compile(program, str(PAGE), "exec"), names)
    names["MODEL"] = str(trained_pipeline)
    return names


def run(service: dict[str, Any], texts: list[str], n_clients: int) -> list[httpx.Response]:
    """The answers for the texts, by clients that each send their next one when the last one is answered."""

    async def ask(client: httpx.AsyncClient, own: list[str]) -> list[httpx.Response]:
        return [await client.post("/entities", json={"text": text}) for text in own]

    async def ask_all() -> list[httpx.Response]:
        app = service["app"]
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://service") as client,
        ):
            of_clients = [ask(client, texts[i::n_clients]) for i in range(n_clients)]
            answers = await asyncio.gather(*of_clients)
        return [answers[i % n_clients][i // n_clients] for i in range(len(texts))]

    return asyncio.run(ask_all())


def test_answers_under_load_are_those_of_texts_one_by_one(service: dict[str, Any]) -> None:
    sizes = []

    def counted(texts: list[str], model: str) -> list[list[FoundEntity]]:
        sizes.append(len(texts))
        return find(texts, model)

    service["find"] = counted
    answers = run(service, LOAD, N_CLIENTS)
    assert {answer.status_code for answer in answers} == {200}
    n_entities = 0
    for text, answer in zip(LOAD, answers, strict=True):
        [serial] = find([text], service["MODEL"])
        for entity, expected in zip(answer.json(), map(asdict, serial), strict=True):
            assert entity["score"] == pytest.approx(expected["score"], abs=0.02)
            assert {**entity, "score": None} == {**expected, "score": None}
            n_entities += 1
    assert n_entities > N_REQUESTS
    assert sum(sizes[1:]) == N_REQUESTS
    assert 1 < max(sizes) <= service["MAX_BATCH"]


def test_a_batch_that_fails_is_an_error_and_the_next_one_is_not(service: dict[str, Any]) -> None:
    def fails_on_purpose(texts: list[str], model: str) -> list[list[FoundEntity]]:
        if "fail" in texts:
            raise ValueError("on purpose")
        return find(texts, model)

    service["find"] = fails_on_purpose
    answers = run(service, ["fail", TEXTS[0], "x" * 100_001], 1)
    assert [answer.status_code for answer in answers] == [500, 200, 422]
