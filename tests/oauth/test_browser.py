"""Signing in by a browser: at a real Kinto with its OpenID plugin, and a provider of the tests' own."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import traceback
import webbrowser
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from kinto_models import (
    AsyncClient,
    BatchError,
    BrowserOAuth,
    Bucket,
    Client,
    ConnectionFailedError,
    InvalidAnswerError,
    InvalidRequestError,
    KintoError,
    LoginError,
    MissingCapabilityError,
    Record,
    UnauthorizedError,
    UncertainOutcomeError,
)
from kinto_models.embedded import _SETTINGS, EmbeddedServer
from kinto_models.protocol import operations, paths
from kinto_models.protocol.filters import Query
from kinto_models.protocol.messages import Operation, Request, Response, Transfer
from kinto_models.transports.renewing import Token
from tests.faults import Answer, Bench, Cut, Delay, Fault
from tests.oauth.conftest import CORP, Browser
from tests.oauth.provider import SUBJECT

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.oauth.conftest import Open
    from tests.oauth.provider import Provider

COUNT = operations.count(paths.buckets(), Query())
"""Something that nobody may do without having signed in."""
_CHROMIUM = Path("/usr/bin/chromium")


def _user(response: Response) -> str | None:
    user = json.loads(response.body).get("user")
    return user and str(user["id"])


WHO: Operation[str | None] = Operation(Request("GET", "/"), _user)


class Task(Record, bucket="signed-in", collection="tasks"):
    title: str = ""


def callback_of(address: str) -> str:
    """Where the answer to a login is to go."""
    return dict(parse_qsl(urlsplit(address).query))["callback"]


def is_open(address: str) -> bool:
    """Whether somebody listens there."""
    parts = urlsplit(address)
    with socket.socket() as connection:
        return connection.connect_ex((parts.hostname, parts.port)) == 0


# Signing in


def test_the_first_request_signs_in_and_the_others_need_it_no_more(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    kinto = open_client(url, auth=BrowserOAuth(open_browser=browser))
    assert browser.opened == []
    assert kinto.run(WHO) == f"google:{SUBJECT}"
    assert kinto.run(COUNT) >= 0
    assert len(browser.opened) == len(provider.tokens) == 1


def test_the_browser_is_sent_to_the_server_itself_with_every_parameter_quoted(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    open_client(url, auth=BrowserOAuth(open_browser=browser, scope="openid email profile")).run(COUNT)
    (address,) = browser.opened
    assert address.startswith(f"{url}/openid/google/login?callback=http%3A%2F%2F127.0.0.1%3A")
    assert address.endswith("&scope=openid%20email%20profile")
    assert {asked["scope"] for asked in provider.asked} == {"openid email profile"}


def test_the_page_in_the_end_says_that_the_window_can_be_closed_and_has_no_token(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    open_client(url, auth=BrowserOAuth(open_browser=browser)).run(COUNT)
    page = browser.page()
    assert page.status_code == 200
    assert "can be closed" in page.text
    assert "failed" not in page.text
    assert page.url == f"http://{urlsplit(callback_of(browser.opened[0])).netloc}/signed-in"  # which is in the history
    for answer in [*page.history[-1:], page]:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert provider.tokens[0] not in answer.text


def test_another_provider_is_chosen_by_its_name_and_the_word_before_its_token_is_said(
    open_client: Open, url: str, browser: Browser
) -> None:
    assert open_client(url, auth=BrowserOAuth("corp", scheme=CORP, open_browser=browser)).run(WHO) == f"corp:{SUBJECT}"


def test_a_server_that_does_not_take_the_token_is_told_at_once_and_not_at_the_next_request(
    open_client: Open, url: str, browser: Browser
) -> None:
    kinto = open_client(url, auth=BrowserOAuth("corp", open_browser=browser))
    with pytest.raises(LoginError, match="parameter scheme"):
        kinto.run(COUNT)
    assert len(browser.opened) == 1


@pytest.mark.parametrize("fault", [Cut("answer"), Answer(503)])
def test_a_connection_that_breaks_after_the_login_makes_nobody_sign_in_again(
    open_client: Open, url: str, browser: Browser, fault: Fault
) -> None:
    with Bench(url) as bench:
        kinto = open_client(bench.url, auth=BrowserOAuth(open_browser=browser))
        # Which providers there are, whether a login may begin, its two steps in the browser, and who is signed in.
        plan = bench.plan(fault, on="GET", nth=5)
        assert kinto.run(COUNT) >= 0
    assert plan.met == 1
    assert len(browser.opened) == 1


def test_models_are_stored_by_whoever_signed_in(url: str, browser: Browser) -> None:
    with Client(url, auth=BrowserOAuth(open_browser=browser)) as kinto:
        kinto.bucket("signed-in").save()
        kinto.bucket("signed-in").collection("tasks").save()
        Task(id="first", title="Sign in").save()
        assert Task.get("first").title == "Sign in"
        kinto.bucket("signed-in").delete(force=True)
    assert len(browser.opened) == 1


# What goes wrong


def test_a_provider_that_does_not_exist_is_an_error_that_names_those_there_are(
    open_client: Open, url: str, browser: Browser
) -> None:
    with pytest.raises(MissingCapabilityError, match="no OpenID provider 'gogle', but 'google', 'corp'"):
        open_client(url, auth=BrowserOAuth("gogle", open_browser=browser)).run(COUNT)
    assert browser.opened == []


def test_a_server_without_the_plugin_is_an_error_that_names_it(
    open_client: Open, server: EmbeddedServer, browser: Browser
) -> None:
    with pytest.raises(MissingCapabilityError, match=r"kinto\.plugins\.openid"):
        open_client(server.url, auth=BrowserOAuth(open_browser=browser)).run(COUNT)
    assert browser.opened == []


def test_a_scope_that_the_server_does_not_allow_is_told_before_any_browser_is_opened(
    open_client: Open, url: str, browser: Browser
) -> None:
    with pytest.raises(InvalidRequestError, match="Scopes not allowed: offline_access"):
        open_client(url, auth=BrowserOAuth(scope="openid email offline_access", open_browser=browser)).run(COUNT)
    assert browser.opened == []


@pytest.mark.parametrize("path", ["//evil.example/login", "evil.example", ".evil.example/login", 7, None])
def test_a_server_cannot_have_another_address_than_its_own_opened(
    open_client: Open, loopback: Loopback, browser: Browser, path: Any
) -> None:
    told = {"settings": {}, "capabilities": {"openid": {"providers": [{"name": "google", "auth_path": path}]}}}
    loopback.answers(200, body=json.dumps(told).encode())
    loopback.answers(307, {"Location": "http://evil.example"})
    auth = BrowserOAuth(open_browser=browser.opened.append, timeout=0.1)
    with suppress(InvalidAnswerError, LoginError):
        open_client(loopback.origin, auth=auth).run(COUNT)
    assert [urlsplit(address).netloc for address in browser.opened] in ([], [f"127.0.0.1:{loopback.port}"])


def test_nobody_who_signs_in_within_the_time_limit_is_an_error_and_the_port_is_closed(
    open_client: Open, url: str
) -> None:
    opened: list[str] = []
    kinto = open_client(url, auth=BrowserOAuth(open_browser=opened.append, timeout=0.2))
    began = time.monotonic()
    with pytest.raises(LoginError, match=r"nobody signed in within 0\.2 s; BrowserOAuth\(timeout=...\) waits longer"):
        kinto.run(COUNT)
    assert 0.2 <= time.monotonic() - began < 5
    assert not is_open(callback_of(opened[0]))


def test_after_a_login_that_failed_the_next_request_tries_again(open_client: Open, url: str, browser: Browser) -> None:
    asleep = [True]
    auth = BrowserOAuth(open_browser=lambda address: None if asleep[0] else browser(address), timeout=0.2)
    kinto = open_client(url, auth=auth)
    with pytest.raises(LoginError):
        kinto.run(COUNT)
    asleep[0] = False
    auth._timeout = 30
    assert kinto.run(WHO) == f"google:{SUBJECT}"


def test_a_provider_that_refuses_is_an_error_in_its_words(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    provider.denies = {"error": "access_denied", "error_description": "Not you,\x1b[31m élise"}
    with pytest.raises(LoginError, match=r"^the provider refused the login: access_denied: Not you, \[31m élise$"):
        open_client(url, auth=BrowserOAuth(open_browser=browser)).run(COUNT)
    _is_told_of_a_failure(browser)


def _is_told_of_a_failure(browser: Browser) -> None:
    page = browser.page()
    assert page.url == f"http://{urlsplit(callback_of(browser.opened[0])).netloc}/not-signed-in"
    assert "The sign-in failed; see your program" in page.text
    assert "what it was waiting for" not in page.text


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        (b'{"error":"invalid_grant"}', "gave the server no token: invalid_grant"),
        (b'{"error":["s3cret"]}', "gave the server no token$"),
        (b'{"access_token":""}', "gave the server no token$"),
        (b'{"access_token":7}', "gave the server no token$"),
        (b'{"access_token":"s3cret\\r\\nX-Admin: 1"}', "HTTP cannot carry the token"),
        (b'["s3cret"]', "no grant of a token"),
        (b"<html>s3cret</html>", "no grant of a token"),
        (b"[" * 5000, "no grant of a token"),
        (b"", "no grant of a token"),
    ],
)
def test_what_is_no_token_is_an_error_that_does_not_repeat_it(
    url: str, provider: Provider, browser: Browser, gives: bytes, says: str
) -> None:
    provider.gives = gives
    client = Client(url, auth=BrowserOAuth(open_browser=browser), retry=0)
    with pytest.raises(LoginError, match=says) as caught:
        client.run(COUNT)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    client.close()
    _is_told_of_a_failure(browser)


# The callback


class Stranger:
    """Comes to the callback before the browser, with addresses that it guessed."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.told: list[int] = []

    def __call__(self, address: str) -> None:
        callback = callback_of(address)
        parts = urlsplit(callback)
        origin = f"{parts.scheme}://{parts.netloc}"
        forged = "eyJhY2Nlc3NfdG9rZW4iOiAiZm9yZ2VkIn0%3D"
        for guess in (
            f"{origin}/",
            f"{origin}/favicon.ico",
            f"{origin}/auth/{forged}",
            f"{origin}{parts.path[:-1]}?{parts.query}{forged}",
            f"{origin}{parts.path}?state=&answer={forged}",
            f"{origin}{parts.path}?state=\xe9&answer={forged}",
            f"{origin}{parts.path}?answer={forged}",
            f"{origin}{parts.path}?{parts.query.replace('state=', 'state=x')}{forged}",
            f"{origin}{parts.path}",
        ):
            self.told.append(requests.get(guess, timeout=10, allow_redirects=False).status_code)
        for method in ("POST", "PUT", "OPTIONS", "HEAD"):
            self.told.append(requests.request(method, f"{callback}{forged}", timeout=10).status_code)
        self.browser(address)


def test_a_callback_with_the_wrong_state_or_path_is_refused_and_the_right_one_still_taken(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    stranger = Stranger(browser)
    assert open_client(url, auth=BrowserOAuth(open_browser=stranger)).run(WHO) == f"google:{SUBJECT}"
    assert stranger.told == [404, 404, 404, 404, 403, 403, 403, 403, 403, 501, 501, 501, 501]
    assert len(provider.tokens) == 1


def test_what_comes_after_the_right_answer_changes_nothing(url: str, browser: Browser) -> None:
    told: list[int] = []

    def twice(address: str) -> None:
        first = requests.get(address, timeout=10, allow_redirects=False)
        for _ in range(2):
            first = requests.get(first.headers["Location"], timeout=10, allow_redirects=False)
        answer = first.headers["Location"]
        told.extend(requests.get(answer, timeout=10, allow_redirects=False).status_code for _ in range(2))
        requests.get(f"http://{urlsplit(answer).netloc}/signed-in", timeout=10)

    with Client(url, auth=BrowserOAuth(open_browser=twice)) as kinto:
        assert kinto.run(WHO) == f"google:{SUBJECT}"
    assert told == [303, 404]


def test_the_callback_is_on_this_machine_only_on_another_path_each_time(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[Any] = []
    bind = socket.socket.bind

    def noted(self: socket.socket, address: Any) -> None:
        bound.append(address)
        bind(self, address)

    monkeypatch.setattr(socket.socket, "bind", noted)
    opened: list[str] = []
    auth = BrowserOAuth(open_browser=opened.append, timeout=0.05)
    with Client(url, auth=auth, retry=0) as kinto:
        for _ in range(2):
            with pytest.raises(LoginError):
                kinto.run(COUNT)
    first, second = (urlsplit(callback_of(address)) for address in opened)
    assert {address[0] for address in bound} == {first.hostname} == {"127.0.0.1"}
    assert first.path != second.path
    assert first.query != second.query
    assert min(len(first.path), len(second.path)) > 40


def test_a_connection_that_is_silent_keeps_nobody_waiting(url: str, browser: Browser) -> None:
    began = time.monotonic()
    with socket.socket() as silent:

        def opened(address: str) -> None:
            parts = urlsplit(callback_of(address))
            silent.connect((parts.hostname, parts.port))  # as Chromium opens one that it may need
            browser(address)

        with Client(url, auth=BrowserOAuth(open_browser=opened, timeout=8)) as kinto:
            assert kinto.run(WHO) == f"google:{SUBJECT}"
    assert time.monotonic() - began < 8  # it may be silent for 10


# Where no browser can be opened


def _no_browser(_address: str) -> bool:
    return False


def _broken(_address: str) -> bool:
    raise webbrowser.Error("could not locate runnable browser")


@pytest.mark.parametrize("open_browser", [_no_browser, _broken])
def test_where_there_is_no_browser_the_address_is_shown_and_waited_for(
    open_client: Open, url: str, browser: Browser, open_browser: Callable[[str], object]
) -> None:
    kinto = open_client(url, auth=BrowserOAuth(open_browser=open_browser, show=browser))
    assert kinto.run(WHO) == f"google:{SUBJECT}"


def test_where_nobody_says_how_the_address_is_printed_to_stderr(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    auth = BrowserOAuth(timeout=0.2, open_browser=_no_browser)
    with Client(url, auth=auth, retry=0) as kinto, pytest.raises(LoginError):
        kinto.run(COUNT)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("To sign in, open this address in a browser on this machine:\nhttp://127.0.0.1:")
    assert len(printed.err.splitlines()) == 2


def test_a_program_opens_the_users_browser_and_says_nothing(url: str, tmp_path: Path) -> None:
    browser = tmp_path / "browser.py"
    browser.write_text("import sys, requests; requests.get(sys.argv[1], timeout=10)")
    program = "import sys; from kinto_models import BrowserOAuth, Client\n"
    program += "with Client(sys.argv[1], auth=BrowserOAuth(timeout=60)) as kinto: print(kinto.server_info().user.id)"
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, url],
        env={**os.environ, "BROWSER": f"{sys.executable} {browser} %s"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == (f"google:{SUBJECT}\n", "")


def test_what_opening_raises_is_raised_at_once(open_client: Open, url: str) -> None:
    def fails(_address: str) -> None:
        raise ZeroDivisionError("of the user's own")

    with pytest.raises(ZeroDivisionError, match="of the user's own"):
        open_client(url, auth=BrowserOAuth(open_browser=fails)).run(COUNT)


@pytest.mark.parametrize("nonsense", [0, -1, None, "300", True, float("nan")])
def test_a_time_limit_that_is_none_is_refused(nonsense: Any) -> None:
    with pytest.raises(ValueError, match="timeout is a positive number of seconds"):
        BrowserOAuth(timeout=nonsense)


# Renewing


def test_a_token_that_is_not_taken_any_more_is_renewed_and_the_request_sent_again(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    kinto = open_client(url, auth=BrowserOAuth(open_browser=browser))
    kinto.run(COUNT)
    provider.revoke()
    body = b'{"data":{"by":"me"}}'
    answer = kinto.run(operations.create(paths.buckets(), f"b{time.monotonic_ns()}", body))
    assert answer.created
    assert b'"by":"me"' in answer.body.replace(b" ", b"")
    assert len(provider.tokens) == len(browser.opened) == 2


def test_who_one_is_is_never_nobody_where_the_token_is_not_taken_any_more(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    kinto = open_client(url, auth=BrowserOAuth(open_browser=browser))
    kinto.run(COUNT)
    provider.revoke()
    assert kinto.run(WHO) == f"google:{SUBJECT}"
    assert len(browser.opened) == 2


def test_a_token_that_expired_is_renewed_before_it_is_sent(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    provider.lifetime = "0.000001"  # as text, which some write
    with Bench(url) as bench:
        kinto = open_client(bench.url, auth=BrowserOAuth(open_browser=browser))
        kinto.run(COUNT)
        provider.lifetime = 3600
        bench.forget()
        assert [kinto.run(WHO) for _ in range(3)] == [f"google:{SUBJECT}"] * 3
        old = provider.tokens[0]
        assert not any(old.encode() in received.head for received in bench.received)
    assert len(browser.opened) == 2


def test_a_token_is_given_up_a_little_before_it_expires() -> None:
    for seconds, early in ((3600, 30), (300, 30), (65, 6.5), (60, 6), (5, 0.5), (1, 0.1)):
        before = time.time()
        token = Token.valid_for(seconds, "Bearer s3cret")
        assert before + seconds - early <= token.until <= time.time() + seconds - early
        assert not token.expired
        assert "s3cret" not in repr(token)


@pytest.mark.parametrize("lifetime", [None, 0, -5, "soon", True, [], "nan", "inf", 1e400])
def test_a_lifetime_without_sense_is_none_and_the_token_is_used_until_it_is_refused(
    url: str, provider: Provider, browser: Browser, lifetime: Any
) -> None:
    provider.lifetime = lifetime
    with Client(url, auth=BrowserOAuth(open_browser=browser)) as kinto:
        kinto.run(COUNT)
        kinto.run(COUNT)
    assert len(browser.opened) == 1


def test_a_401_for_another_reason_opens_no_browser(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    with Bench(url) as bench:
        kinto = open_client(bench.url, auth=BrowserOAuth(open_browser=browser))
        kinto.run(COUNT)
        bench.plan(Answer(401, body=b"{}"), on="HEAD")
        with pytest.raises(UnauthorizedError):
            kinto.run(COUNT)
    assert len(browser.opened) == 1


def test_where_the_new_login_fails_the_error_says_so_and_the_old_token_is_not_asked_for_again(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    kinto = open_client(url, auth=BrowserOAuth(open_browser=browser))
    kinto.run(COUNT)
    provider.revoke()
    provider.denies = {"error": "login_required"}
    with pytest.raises(LoginError, match="login_required"):
        kinto.run(COUNT)


def test_the_parts_of_a_batch_that_are_refused_are_sent_again(url: str, provider: Provider, browser: Browser) -> None:
    with Client(url, auth=BrowserOAuth(open_browser=browser)) as kinto:
        kinto.server_info()
        provider.revoke()
        result = kinto.buckets.create_many([Bucket(id=f"many-{number}-{time.monotonic_ns()}") for number in range(5)])
        assert result.created == 5
    assert len(browser.opened) == 2


async def test_the_parts_of_an_async_batch_that_are_refused_are_sent_again(
    url: str, provider: Provider, browser: Browser
) -> None:
    async with AsyncClient(url, auth=BrowserOAuth(open_browser=browser)) as kinto:
        await kinto.server_info()
        provider.revoke()
        made = [Bucket(id=f"many-{number}-{time.monotonic_ns()}") for number in range(5)]
        assert (await kinto.buckets.create_many(made)).created == 5
    assert len(browser.opened) == 2


def test_what_a_wrong_password_may_not_do_in_a_batch_is_not_sent_again(url: str) -> None:
    with Bench(url) as bench, Client(bench.url, auth=("alice", "wrong")) as kinto:
        with pytest.raises(BatchError):
            kinto.buckets.create_many(Bucket(id=f"no-{number}") for number in range(3))
        assert [received.line.split()[0] for received in bench.received] == ["GET", "POST"]


def test_where_nobody_signs_in_again_what_is_left_of_a_bulk_operation_is_not_sent(
    url: str, provider: Provider, browser: Browser
) -> None:
    with Client(url, auth=BrowserOAuth(open_browser=browser)) as kinto:
        kinto.server_info()
        provider.revoke()
        provider.denies = {"error": "login_required"}
        with pytest.raises(BatchError, match="not sent, because nobody is signed in: the provider refused") as caught:
            kinto.buckets.create_many(Bucket(id=f"none-{number}-{time.monotonic_ns()}") for number in range(60))
    assert isinstance(caught.value.__cause__, LoginError)
    assert len(browser.opened) == 2


def test_a_write_whose_login_was_cut_off_was_certainly_not_sent(open_client: Open, url: str, browser: Browser) -> None:
    with Bench(url) as bench:
        kinto = open_client(bench.url, auth=BrowserOAuth(open_browser=browser))
        bench.plan(Cut("answer"), on="GET")
        with pytest.raises(ConnectionFailedError) as caught:
            kinto.run(operations.create(paths.buckets(), f"cut-{time.monotonic_ns()}", b"{}"))
        assert not any(received.line.startswith("PUT") for received in bench.received)
    assert not caught.value.sent


def test_a_write_that_was_lost_stays_uncertain_where_its_second_try_cannot_sign_in(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    with Bench(url) as bench:
        kinto = open_client(bench.url, auth=BrowserOAuth(open_browser=browser), retry=1)
        kinto.run(COUNT)
        provider.denies = {"error": "login_required"}
        bench.plan(Cut("answer"), on="PUT")
        bench.plan(Answer(401), on="PUT")
        bench.plan(Answer(200), on="GET")  # nobody is signed in
        with pytest.raises(UncertainOutcomeError) as caught:
            kinto.run(operations.create(paths.buckets(), f"lost-{time.monotonic_ns()}", b"{}"))
    assert isinstance(caught.value.__cause__, LoginError)


# Many at once


def test_ten_threads_that_need_a_token_at_once_open_one_browser(url: str, provider: Provider, browser: Browser) -> None:
    with Client(url, auth=BrowserOAuth(open_browser=browser)) as kinto, ThreadPoolExecutor(10) as threads:
        assert set(threads.map(kinto.run, [WHO] * 10)) == {f"google:{SUBJECT}"}
        assert len(browser.opened) == 1
        provider.revoke()
        list(threads.map(kinto.run, [COUNT] * 10))
        assert len(browser.opened) == len(provider.tokens) == 2


async def test_ten_tasks_that_need_a_token_at_once_open_one_browser_and_the_loop_goes_on(
    url: str, provider: Provider, browser: Browser
) -> None:
    ticks = 0
    free = threading.Event()

    def slowly(address: str) -> None:
        free.wait(10)
        browser(address)

    async with AsyncClient(url, auth=BrowserOAuth(open_browser=slowly)) as kinto:
        asking = asyncio.gather(*(kinto.run(WHO) for _ in range(10)))
        for _ in range(50):
            await asyncio.sleep(0)
            ticks += 1
        free.set()
        assert set(await asking) == {f"google:{SUBJECT}"}
    assert (ticks, len(browser.opened)) == (50, 1)


def test_all_who_wait_for_a_login_hear_of_its_failure(url: str) -> None:
    opened: list[str] = []
    entered = threading.Barrier(4)

    def ask(client: Client) -> str:
        entered.wait()
        try:
            client.run(COUNT)
        except LoginError as error:
            return str(error)
        return ""

    auth = BrowserOAuth(open_browser=opened.append, timeout=1)
    with Client(url, auth=auth, retry=0) as kinto, ThreadPoolExecutor(4) as threads:
        assert {error[:16] for error in threads.map(ask, [kinto] * 4)} == {"nobody signed in"}
    assert len(opened) == 1


async def test_a_task_that_is_cancelled_takes_the_login_from_nobody_else(url: str, browser: Browser) -> None:
    free, opened = threading.Event(), threading.Event()

    def slowly(address: str) -> None:
        opened.set()
        free.wait(10)
        browser(address)

    async with AsyncClient(url, auth=BrowserOAuth(open_browser=slowly)) as kinto:
        first, second = (asyncio.ensure_future(kinto.run(WHO)) for _ in range(2))
        await asyncio.to_thread(opened.wait, 10)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        free.set()
        assert await second == f"google:{SUBJECT}"
    assert len(browser.opened) == 1


async def test_where_nobody_waits_any_more_the_login_is_given_up_and_the_next_one_begins_anew(
    url: str, browser: Browser
) -> None:
    opened: list[str] = []
    seen = threading.Event()

    def ignored_once(address: str) -> None:
        opened.append(address)
        if len(opened) == 1:
            seen.set()
        else:
            browser(address)

    async with AsyncClient(url, auth=BrowserOAuth(open_browser=ignored_once)) as kinto:
        asking = asyncio.ensure_future(kinto.run(WHO))
        await asyncio.to_thread(seen.wait, 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await kinto.run(WHO) == f"google:{SUBJECT}"
        for _ in range(1000):
            if not is_open(callback_of(opened[0])):
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the port of the login that was given up is still open")
    assert len(opened) == 2


async def test_a_login_that_was_given_up_before_the_browser_opened_opens_none(url: str, browser: Browser) -> None:
    with Bench(url) as bench:
        asked = threading.Event()
        plan = bench.plan(Delay(0.5), on="GET")
        async with AsyncClient(bench.url, auth=BrowserOAuth(open_browser=browser)) as kinto:
            asking = asyncio.ensure_future(kinto.run(WHO))
            while not plan.met:
                await asyncio.to_thread(asked.wait, 0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        for thread in threading.enumerate():
            if thread.name.startswith("kinto_models"):
                await asyncio.to_thread(thread.join, 10)
    assert browser.opened == []


# Where the token goes, and where it is shown


def test_clients_of_one_server_share_the_token_and_another_server_gets_one_of_its_own(
    open_client: Open, url: str, provider: Provider, browser: Browser
) -> None:
    auth = BrowserOAuth(open_browser=browser)
    with Bench(url) as bench:
        for root in (url, bench.url, url, f"{bench.url}/"):
            assert open_client(root, auth=auth).run(WHO) == f"google:{SUBJECT}"
        mine, theirs = provider.tokens
        heads = b"".join(received.head for received in bench.received)
        assert theirs.encode() in heads
        assert mine.encode() not in heads


def test_a_clone_of_a_client_shares_its_token_and_one_for_another_server_is_to_be_told_whose(
    url: str, provider: Provider, browser: Browser
) -> None:
    auth = BrowserOAuth(open_browser=browser)
    with Client(url, auth=auth) as kinto, kinto.clone(timeout=7) as clone, Bench(url) as bench:
        assert {kinto.run(WHO), clone.run(WHO)} == {f"google:{SUBJECT}"}
        assert len(provider.tokens) == 1
        with pytest.raises(ValueError, match="write clone"):
            kinto.clone(url=bench.url)
        with kinto.clone(url=bench.url, auth=auth) as other:
            assert other.run(WHO) == f"google:{SUBJECT}"
    assert len(provider.tokens) == 2


def test_a_dry_run_signs_in_to_read_and_writes_nothing(url: str, browser: Browser) -> None:
    with Client(url, auth=BrowserOAuth(open_browser=browser), dry_run=True) as kinto:
        before = kinto.run(COUNT)
        kinto.bucket(f"dry-{time.monotonic_ns()}").save()
        assert kinto.run(COUNT) == before
    assert len(browser.opened) == 1


def test_a_server_that_cannot_sign_anybody_in_hears_nothing_of_the_token_of_another(
    open_client: Open, url: str, provider: Provider, browser: Browser, loopback: Loopback
) -> None:
    auth = BrowserOAuth(open_browser=browser)
    open_client(url, auth=auth).run(COUNT)
    with pytest.raises(KintoError):
        open_client(loopback.url, auth=auth).run(COUNT)
    assert all("authorization" not in received.headers for received in loopback.received)


def test_files_on_another_host_are_asked_for_without_the_token(
    open_client: Open, url: str, provider: Provider, browser: Browser, loopback: Loopback
) -> None:
    kinto = open_client(url, auth=BrowserOAuth(open_browser=browser))
    kinto.run(COUNT)
    loopback.answers(401)

    def status(response: Response) -> int:
        return response.status

    def from_(root: str, path: str = "") -> Operation[int]:
        return Operation(Request("GET", f"{path}/buckets", transfer=Transfer(root=root)), status)

    assert kinto.run(from_(loopback.origin)) == 401
    assert "authorization" not in loopback.only.headers
    assert kinto.run(from_(url)) == 200
    assert kinto.run(from_(url.removesuffix("/v1"), "/v1")) == 200  # on the server's own, as other credentials are
    provider.revoke()
    assert kinto.run(from_(url)) == 200
    assert len(browser.opened) == 2


def test_a_file_is_sent_whole_with_the_token_that_was_renewed(provider: Provider, browser: Browser) -> None:
    settings = provider.settings("google")
    del settings["kinto.includes"]
    files = f"{_SETTINGS['kinto.includes']} kinto_attachment kinto_models.embedded kinto.plugins.openid"
    admin = Client.embedded(settings={**settings, "kinto.includes": files})
    with admin, Client(admin.url, auth=BrowserOAuth(open_browser=browser)) as kinto:
        kinto.bucket("signed-in").save()
        kinto.bucket("signed-in").collection("tasks").save()
        task = Task(id="first", title="Sign in")
        task.save()
        provider.revoke()
        task.attach(b"hello" * 100_000, filename="hello.txt")
        assert task.download() == b"hello" * 100_000
    assert len(browser.opened) == 2


def test_credentials_in_the_address_are_not_sent_beside_the_token(
    url: str, provider: Provider, browser: Browser
) -> None:
    with Client(url.replace("//", "//alice:s3cret@"), auth=BrowserOAuth(open_browser=browser)) as kinto:
        assert kinto.run(WHO) == f"google:{SUBJECT}"


def test_no_log_error_repr_or_pickle_shows_the_token(
    open_client: Open,
    url: str,
    provider: Provider,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    auth = BrowserOAuth(open_browser=browser)
    with Bench(url) as bench:
        kinto = open_client(bench.url, auth=auth)
        kinto.run(COUNT)
        bench.plan(Cut("request"), on="HEAD")
        with pytest.raises(ConnectionFailedError) as caught:
            kinto.run(COUNT)
        provider.revoke()
        provider.denies = {"error": "login_required"}
        with pytest.raises(LoginError) as refused:
            kinto.run(COUNT)
    auth._open_browser = webbrowser.open  # the tests' own keeps what it saw
    shown = [repr(auth), str(vars(auth)), repr(kinto), *map(repr, auth._servers.values())]
    shown += [str(vars(each)) for each in auth._servers.values()]
    shown += ["".join(traceback.format_exception(error)) for error in (caught.value, refused.value)]
    shown += [str(pickle.dumps(each)) for each in (auth, caught.value, refused.value)]
    ours = [record for record in caplog.records if record.threadName in ("MainThread", "kinto_models login")]
    assert {record.name.partition(".")[0] for record in ours} >= {"kinto_models", "urllib3"}
    shown += [record.getMessage() for record in ours] + [*capsys.readouterr()]
    (token,) = provider.tokens
    encoded = b64encode(f'{{"access_token": "{token}"'.encode()).decode()[:40]  # as it is in the address
    assert encoded in browser.page().history[-1].url
    assert not any(secret in text for secret in (token, encoded) for text in shown)


def test_a_pickle_or_copy_has_the_options_and_signs_in_by_itself(url: str, browser: Browser) -> None:
    auth = BrowserOAuth(
        "google", open_browser=_no_browser, show=_no_browser, timeout=7, scope="openid", scheme="Bearer"
    )
    for again in (pickle.loads(pickle.dumps(auth)), copy.deepcopy(auth), copy.copy(auth)):
        options = {name: value for name, value in vars(auth).items() if name not in ("_lock", "_servers")}
        assert {name: vars(again)[name] for name in options} == options
        assert again._servers == {}
        assert again._servers is not auth._servers


def test_a_client_that_signs_in_is_not_pickled(url: str) -> None:
    for client in (Client(url, auth=BrowserOAuth()), AsyncClient(url, auth=BrowserOAuth())):
        with pytest.raises(TypeError, match="connections and credentials"):
            pickle.dumps(client)


def test_a_repr_names_the_provider_only() -> None:
    assert repr(BrowserOAuth("google")) == "BrowserOAuth('google')"
    assert repr(BrowserOAuth()) == "BrowserOAuth()"


# A real browser


@pytest.mark.skipif(not _CHROMIUM.exists(), reason="there is no /usr/bin/chromium")
def test_a_real_browser_signs_in(open_client: Open, url: str, provider: Provider, tmp_path: Path) -> None:
    flags = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    command = [os.fspath(_CHROMIUM), *flags.split(), f"--user-data-dir={tmp_path / 'profile'}"]
    opened: list[subprocess.Popen[bytes]] = []

    def chromium(address: str) -> None:
        opened.append(subprocess.Popen([*command, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    try:
        assert open_client(url, auth=BrowserOAuth(open_browser=chromium, timeout=60)).run(WHO) == f"google:{SUBJECT}"
        assert len(provider.tokens) == 1
    finally:
        for process in opened:
            process.terminate()
            process.wait()
