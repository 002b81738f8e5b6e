"""The plugin is seen by clients, and refuses to start where it could not do what it says."""

from __future__ import annotations

from typing import Any

import pytest

import kinto_models
from kinto_models import Client
from kinto_models.embedded import EmbeddedServer

IN_POSTGRESQL = {
    "kinto.storage_backend": "kinto.core.storage.postgresql",
    "kinto.storage_url": "postgresql://nobody@127.0.0.1:1/nothing",  # nobody connects
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Kinto imports, in this process


@pytest.fixture
def refused() -> Any:
    from pyramid.exceptions import ConfigurationError

    return ConfigurationError


def test_clients_see_it(kinto: Client) -> None:
    seen = kinto.server_info().capabilities["concurrency"]
    assert seen.description == "The check and the write of a request are one step."
    assert seen.url == "https://kinto-models.readthedocs.io/en/latest/production.html"
    assert (seen.model_extra or {})["version"] == kinto_models.__version__


def test_an_embedded_server_can_do_without() -> None:
    with Client.embedded(settings={"kinto.includes": "kinto.plugins.accounts"}) as plain:
        assert "concurrency" not in plain.server_info().capabilities


def test_a_storage_that_cannot_be_locked_is_refused_with_the_name_of_one_that_can(refused: Any) -> None:
    with pytest.raises(refused, match="cannot lock tests.server.elsewhere: set kinto.storage_backend"):
        EmbeddedServer({}, {"kinto.storage_backend": "tests.server.elsewhere"})


def test_a_storage_without_transactions_is_refused(refused: Any) -> None:
    with pytest.raises(refused, match="set kinto.transaction_per_request = true"):
        EmbeddedServer({}, {**IN_POSTGRESQL, "kinto.transaction_per_request": "false"})


@pytest.mark.parametrize("wrong", ["0", "-1", "0.0009", "2147484", "soon", "NaN", "Infinity", "null", ""])
def test_a_limit_that_is_no_time_is_refused(wrong: str, refused: Any) -> None:
    with pytest.raises(refused, match="kinto.concurrency.lock_timeout_seconds must be .* from 0.001 to 2147483"):
        EmbeddedServer({}, {"kinto.concurrency.lock_timeout_seconds": wrong})


@pytest.mark.parametrize("least", ["0.001", "2147483"])
def test_the_shortest_and_the_longest_limit_are_taken(least: str) -> None:
    with Client.embedded(settings={"kinto.concurrency.lock_timeout_seconds": least}) as kinto:
        kinto.bucket("b").save()
