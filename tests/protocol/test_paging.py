"""From page to page, and never away from the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from kinto_models.errors import ForeignPageError
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Filter, Operator, Query, Sort
from kinto_models.protocol.messages import Emit, Operation, Request, Response, Stream
from kinto_models.protocol.operations import Listing
from kinto_models.protocol.paging import pages
from kinto_models.protocol.paths import Plural, records

if TYPE_CHECKING:
    from tests.protocol.conftest import Kinto

_ROOT = "https://kinto.example/v1"
_PLACE = records("blog", "articles")


def _page(request: Request, next_page: str | None, root: str = _ROOT) -> Listing:
    return Listing(b'{"data":[]}', 12, request, next_page, root)


def _after(stream: Stream[Listing], page: Listing) -> Request | None:
    """What the stream asks for next, once it has given this page; None at its end."""
    assert stream.send(page) == Emit(page)
    step = next(stream, None)
    return step.request if isinstance(step, Operation) else None


def _first(stream: Stream[Listing]) -> Request:
    step = next(stream)
    assert isinstance(step, Operation)
    return step.request


def _next(next_page: str | None, root: str = _ROOT) -> Request | None:
    """What is asked after a first page that points to this one."""
    flow = pages(operations.get_list(_PLACE, Query(limit=2)))
    return _after(flow, _page(_first(flow), next_page, root))


@pytest.mark.parametrize("end", [None, ""])
def test_a_page_without_a_next_one_is_the_last(end: str | None) -> None:
    assert _next(end) is None


@pytest.mark.parametrize(
    ("root", "address", "target"),
    [
        (_ROOT, f"{_ROOT}/buckets?_token=a%2Bb%3D%3D&x=%22", "/buckets?_token=a%2Bb%3D%3D&x=%22"),
        (_ROOT, f"{_ROOT}/buckets", "/buckets"),
        (_ROOT, "https://KINTO.example:443/v1/buckets?a=1", "/buckets?a=1"),
        ("https://kinto.example:443/v1", f"{_ROOT}/buckets", "/buckets"),
        ("http://kinto.example:80/v1", "http://kinto.example/v1/buckets", "/buckets"),
        ("http://kinto.example", "http://kinto.example/buckets?a=1", "/buckets?a=1"),
        ("http://[::1]:8888/v1", "http://[::1]:8888/v1/buckets", "/buckets"),
        (_ROOT, f"{_ROOT}/buckets?a=1#there", "/buckets?a=1"),
    ],
)
def test_a_page_of_this_server_is_asked_for_as_it_is_written(root: str, address: str, target: str) -> None:
    request = _next(address, root)
    assert request is not None
    assert (request.method, request.target) == ("GET", target)


_FOREIGN = [
    "https://evil.example/v1/buckets",
    "https://kinto.example.evil.example/v1/buckets",
    "https://evil.example/?https://kinto.example/v1/buckets",
    "https://kinto.example:444/v1/buckets",
    "https://kinto.example:80/v1/buckets",
    "http://kinto.example/v1/buckets",
    "http://kinto.example:443/v1/buckets",
    "ftp://kinto.example/v1/buckets",
    "//kinto.example/v1/buckets",
    "/v1/buckets",
    "buckets",
    "?_token=1",
    "https://kinto.example@evil.example/v1/buckets",
    "https://kinto.example:443@evil.example/v1/buckets",
    "https://kinto.example%2Fv1@evil.example/v1/buckets",
    "https://evil.example\\@kinto.example.evil.example/v1/buckets",
    "https://kinto.example/v10/buckets",
    "https://kinto.example/v1",
    "https://kinto.example/v1?_token=1",
    "https://kinto.example/",
    "https://kinto.example/admin",
    "https://kinto.example/V1/buckets",
    "https://kinto.example/v1/../admin",
    "https://kinto.example/v1/buckets/../../admin?a=1",
    "https://kinto.example/v1/%2e%2e/admin",
    "https://[kinto.example/v1/buckets",
    "https://kinto.example:port/v1/buckets",
    "https://kinto.example:99999/v1/buckets",
    "https://",
    "://",
    "\x00",
    "é",
]


@pytest.mark.parametrize("address", _FOREIGN)
def test_a_page_elsewhere_is_an_error_and_not_asked_for(address: str) -> None:
    with pytest.raises(ForeignPageError, match=r"not under https://kinto\.example/v1") as caught:
        _next(address)
    assert "evil" not in str(caught.value)


def test_the_error_tells_no_credentials_that_the_next_page_carried() -> None:
    with pytest.raises(ForeignPageError) as caught:
        _next("https://alice:s3cret@evil.example/v1/buckets?token=s3cret")
    assert "s3cret" not in str(caught.value)


@given(st.text() | st.text(alphabet="htps:/@.?#[]%1v\\kintoexampl"))
@example("https://kinto.example/v1/x\r\nHost: evil.example")
def test_whatever_the_next_page_is_only_this_server_is_asked(address: str) -> None:
    try:
        request = _next(address)
    except ForeignPageError:
        return
    if request is not None:
        assert request.target.startswith("/")
        assert "\r" not in request.target
        assert "\n" not in request.target


@given(st.text(alphabet="abc/.%?&=_-"))
def test_any_path_under_the_root_is_followed_or_refused_but_never_rewritten(rest: str) -> None:
    try:
        request = _next(f"{_ROOT}/{rest}")
    except ForeignPageError:
        assert "." in rest or "%" in rest or rest.startswith("/")
    else:
        assert request is not None
        path, _, query = f"/{rest}".partition("?")
        assert request.target == (f"{path}?{query}" if query else path)


def test_a_page_that_was_read_before_is_an_error() -> None:
    flow = pages(operations.get_list(_PLACE, Query(limit=2)))
    first = _first(flow)
    second = _after(flow, _page(first, f"{_ROOT}/buckets?_token=1"))
    assert second
    third = _after(flow, _page(second, f"{_ROOT}/buckets?_token=2"))
    assert third
    with pytest.raises(ForeignPageError, match="read before"):
        _after(flow, _page(third, f"{_ROOT}/buckets?_token=1"))


def test_a_first_page_that_points_to_itself_is_an_error() -> None:
    flow = pages(operations.get_list(_PLACE, Query(limit=2)))
    first = _first(flow)
    with pytest.raises(ForeignPageError, match="read before"):
        _after(flow, _page(first, _ROOT + first.target))


def test_the_pages_of_a_deletion_are_deleted() -> None:
    flow = pages(operations.delete_listed(_PLACE, Query(limit=2)))
    first = _first(flow)
    second = _after(flow, _page(first, f"{_ROOT}/buckets?_token=1"))
    assert second
    assert (first.method, second.method) == ("DELETE", "DELETE")
    assert second.target == "/buckets?_token=1"


def test_the_headers_of_the_first_page_go_with_all() -> None:
    request = Request("GET", "/buckets", {"If-Match": '"12"'})
    flow = pages(Operation(request, operations.relist(_page(request, None), "/buckets").decode))
    next(flow)
    following = _after(flow, _page(request, f"{_ROOT}/buckets?_token=1"))
    assert following
    assert following.headers == {"If-Match": '"12"'}


def test_each_page_knows_its_own_request() -> None:
    operation = operations.relist(_page(Request("GET", "/buckets"), None), "/buckets?_token=1")
    listing = operation.decode(Response(200, CaseInsensitiveDict({}), b"{}", _ROOT))
    assert listing.request == Request("GET", "/buckets?_token=1")


@pytest.fixture
def five(real: Kinto) -> Plural:
    return real.collection(*({"id": f"r{n}", "n": n, "even": n % 2 == 0} for n in range(5)))


def test_kinto_gives_all_objects_page_by_page(real: Kinto, five: Plural) -> None:
    query = Query((Filter("n", Operator.LT, 4),), sort=(Sort("n"),), limit=2)
    listings = list(real.client._runner.stream(pages(operations.get_list(five, query))))
    assert [[each["n"] for each in json.loads(page.body)["data"]] for page in listings] == [[0, 1], [2, 3]]


def test_kinto_deletes_all_objects_page_by_page(real: Kinto, five: Plural) -> None:
    query = Query((Filter("even", Operator.EQ, value=True),), limit=2)
    listings = list(real.client._runner.stream(pages(operations.delete_listed(five, query))))
    assert [len(json.loads(page.body)["data"]) for page in listings] == [2, 1]
    assert real.ids(five, Query(sort=(Sort("n"),))) == ["r1", "r3"]
