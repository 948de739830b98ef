"""Ray's workers: how many fit, and what is said of one that fails."""

import pytest

from craftner_spacy.processing.ray_cluster import reason_of, worker_count
from craftner_spacy.processing.settings import Workers


def test_workers_have_to_fit_and_leave_a_cpu_free() -> None:
    with pytest.raises(ValueError, match=r"workers = 4, each with 1 CPU and 0 GPU: Ray has 4 CPU, 0 GPU"):
        worker_count(Workers(workers=4), {"CPU": 4.0})
    with pytest.raises(ValueError, match=r"workers = 1, each with 1 CPU and 1 GPU: Ray has 4 CPU, 0 GPU"):
        worker_count(Workers(gpus_per_worker=1), {"CPU": 4.0})
    assert worker_count(Workers(workers=3), {"CPU": 4.0}) == 3


def test_the_reason_is_the_last_error_that_is_not_rays() -> None:
    trace = "\n".join(
        [
            "ray::MapWorker.submit() (pid=1)",
            "KeyError: 'first'",
            "builtins.ValueError: second",
            "ray.exceptions.RayTaskError: third",
        ]
    )
    assert reason_of(trace) == "builtins.ValueError: second"
    assert reason_of("nothing known") == "nothing known"
