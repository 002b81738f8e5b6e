"""The measurements of ``make reliability``, in small: each must hold here too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_models.embedded import EmbeddedServer
from tests.loopback import Then
from tests.production import Production
from tests.reliability import __main__ as command
from tests.reliability import batches, counter, exchange, hostile, law, load
from tests.reliability.figures import SLOW, Figure, SkippedError
from tests.reliability.reports import Report
from tests.reliability.servers import has_plugin, production


def test_every_operation_cut_anywhere_is_reported_as_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with exchange.servers() as (direct, acts):
        found = list(exchange.cells(direct, acts))
    with capsys.disabled():
        print("", exchange.table(found), sep="\n")
    assert not exchange.violations(found)


@pytest.mark.parametrize(
    ("report", "times", "contradicted"),
    [
        (Report.DONE, 1, False),
        (Report.DONE, 0, True),
        (Report.NOT_DONE, 0, False),
        (Report.NOT_DONE, 1, True),
        (Report.UNCERTAIN, 0, False),
        (Report.UNCERTAIN, 1, False),
        (Report.UNCERTAIN, 2, True),
        (Report.DONE, 2, True),
        (Report.FOREIGN, 0, True),
        (Report.HANG, 0, True),
    ],
)
def test_a_report_is_held_against_what_is_there(report: Report, times: int, *, contradicted: bool) -> None:
    assert bool(report.contradicted_by(times)) is contradicted


@pytest.fixture(scope="module")
def server_of_lies() -> Iterator[hostile.Hostile]:
    server = hostile.Hostile()
    yield server
    server.close()


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(answer=hostile.answers(), blocking=st.booleans())
def test_whatever_is_answered_each_operation_ends_with_an_error_of_the_tree_or_is_done(
    server_of_lies: hostile.Hostile, answer: tuple[bytes, Then], *, blocking: bool
) -> None:
    assert not hostile.meet(server_of_lies, answer, Counter(), blocking=blocking)


def test_two_clients_and_a_model_agree(server: EmbeddedServer) -> None:
    assert law.obey(server.url, 100) >= 100


def test_load_with_faults_loses_nothing_and_leaks_nothing() -> None:
    assert [figure for figure in load.measure(2) if not figure.held] == []


@pytest.fixture(scope="module")
def postgres() -> Iterator[Production]:
    try:
        server = production()
    except SkippedError as reason:
        pytest.skip(str(reason))
    with server:
        yield server


def test_each_increment_that_is_reported_counts(postgres: Production) -> None:
    if not has_plugin():
        pytest.skip("check and act are two steps without the plugin")
    final, counts = counter.count(postgres, 10, 2)
    assert final == counts[Report.DONE.name] == 20


def test_each_record_that_is_reported_as_saved_is_there(postgres: Production) -> None:
    saved, there, errors = batches.fill(postgres, 60, 2)
    assert saved <= there
    assert (len(saved), errors) == (120, [])


def test_what_fails_fails_the_command_and_what_is_skipped_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def skipped() -> list[Figure]:
        raise SkippedError("no PostgreSQL")

    monkeypatch.setattr(law, "measure", lambda: [Figure("steps", 7, "8", held=False)])
    monkeypatch.setattr(counter, "measure", skipped)
    assert command.main(["law", "counter"]) == 1
    assert capsys.readouterr().out.endswith(
        "---\nskipped counter: no PostgreSQL\nFAILED steps: 7   [8]\nfailed: 1 of 1 figures; 1 left out\n"
    )
    monkeypatch.setattr(law, "measure", lambda: [Figure("steps", 8, "8", held=True)])
    assert command.main(["law"]) == 0
