"""A pytest plugin for environments without extras: a test that lacks the library of an extra is skipped.

`pytest -p without_extras`. Everything else that fails still fails.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

LIBRARIES = frozenset("bioc lxml matplotlib obonet pyarrow ray seqeval sphinx".split())


def missing_library(error: BaseException | None) -> str | None:
    """The library of an extra that is not installed and led to an error; None if there is none.

    >>> missing_library(ModuleNotFoundError("no module", name="ray.data")), missing_library(KeyError("ray"))
    ('ray', None)
    """
    for cause in causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            library = cause.name.partition(".")[0]
            if library in LIBRARIES:
                return library
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip a test that lacks a library."""
    report = yield
    library = missing_library(call.excinfo.value if call.excinfo else None)
    if report.failed and library:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"needs {library}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a file that imports a library that is not there."""
    report = yield
    call = getattr(report, "call", None)
    library = missing_library(call.excinfo.value if call and call.excinfo else None)
    if report.failed and library:
        report.outcome = "skipped"
        report.longrepr = (str(Path(collector.path)), 0, f"needs {library}")
    return report
