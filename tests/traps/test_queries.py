"""Filters, sorting and pages: what the server reads out of a query string, and what it leaves out of a list."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from kinto_models import Client, QueryError, Record, ServerFailedError, col, key
from kinto_models.protocol.messages import Request, Response
from tests.conftest import Wire
from tests.traps.conftest import ALICE, RECORDS, T1, Raw, between


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    version: str = ""
    min_age: int = 0
    in_progress: bool = False
    has_parts: bool = False
    due_on: int = Field(default=0, alias="due-on")
    tags: list[str] = []


class Numbered(Record, bucket="todo", collection="tasks"):
    n: int


@pytest.fixture
def found(raw: Raw) -> Any:
    """The ids that the server finds for a query string of one's own, or its status."""

    def ask(query: str) -> Any:
        answer = raw("GET", f"{RECORDS}?{query}")
        return sorted(each["id"] for each in answer.json()["data"]) if answer.ok else answer.status_code

    return ask


def ids(query: Any) -> list[str]:
    return sorted(each.id for each in query)


def test_text_that_looks_like_a_number_stays_text(kinto: Client, found: Any) -> None:
    Task(id="123", version="2.0").save()
    assert (found("version=2.0"), found("id=123"), found("in_id=123")) == ([], 400, 400)
    for query in (
        Task.find(Task.version == "2.0"),
        Task.find(Task.id == "123"),
        Task.find(col(Task.id).in_("123")),
        Task.find(col(Task.version).in_("2.0", "null", "true")),
    ):
        assert ids(query) == ["123"]
    assert Task.get("123").version == "2.0"


def test_a_comma_in_a_list_is_refused_and_compared_alone(kinto: Client, found: Any, wire: Wire) -> None:
    Task(id="a", title="Red, green").save()
    assert found('in_title="Red, green"') == []
    wire.clear()
    with pytest.raises(QueryError, match="comma"):
        Task.find(col(Task.title).in_("Blue", "Red, green")).all()
    with pytest.raises(QueryError, match="comma"):
        Task.find(col(Task.title).not_in("Red, green")).all()
    assert wire.sent == []
    assert ids(Task.find(Task.title == "Red, green")) == ["a"]


def test_patterns_and_members_are_sent_as_text_and_lists(kinto: Client, found: Any) -> None:
    Task(id="a", title="1 more", tags=["1", "no"]).save()
    assert [found("like_title=1"), found("contains_tags=1"), found("contains_any_tags=1")] == [400, [], []]
    assert ids(Task.find(col(Task.title).like("1"))) == ["a"]
    assert ids(Task.find(col(Task.tags).contains("1"))) == ["a"]
    assert ids(Task.find(col(Task.tags).contains_any("1"))) == ["a"]


@pytest.mark.memory("PostgreSQL finds a pattern in a number")
def test_a_pattern_that_the_server_fails_on_is_its_failure(kinto: Client, raw: Raw, found: Any) -> None:
    raw("PUT", f"{RECORDS}/a", {"data": {"title": 1}})
    assert found('like_title="1"') == 500
    with Client(kinto.url, auth=ALICE, retry=0) as client, pytest.raises(ServerFailedError):
        client.repository(Task).find(col(Task.title).like("1")).all()


def test_a_field_that_is_named_like_an_operator_is_a_field(kinto: Client, raw: Raw, found: Any) -> None:
    raw("PUT", f"{RECORDS}/a", {"data": {"min_age": 5, "in_progress": True, "has_parts": True, "age": 1, "_x": 1}})
    raw("PUT", f"{RECORDS}/b", {"data": {"min_age": 6, "in_progress": False, "has_parts": False, "age": 9, "_x": 2}})
    assert found("min_age=5") == ["b"]  # whose age is at least 5
    assert found("_x=1") == ["a", "b"]
    assert ids(Task.find(Task.min_age == 5)) == ids(Task.find(Task.in_progress == True)) == ["a"]
    assert ids(Task.find(Task.has_parts == False)) == ids(Task.find(Task.min_age > 5)) == ["b"]
    assert ids(Task.find(key("_x") == 1)) == ["a"]


def test_a_misspelt_field_is_an_error_and_not_an_empty_list(kinto: Client, found: Any) -> None:
    Task(id="a", title="x", due_on=2).save()  # type: ignore[call-arg]
    Task.model_validate({"id": "b", "due-on": 1}).save()
    assert found('titel="x"') == []
    with pytest.raises(AttributeError):
        Task.find(Task.titel == "x")  # type: ignore[attr-defined]
    with pytest.raises(QueryError, match="no field 'titel'"):
        Task.find().sort("titel")
    up, down = ([each["id"] for each in raw_list] for raw_list in _both_ways(kinto))
    assert up == down  # a name with a hyphen is not sorted by, and nobody says so
    with pytest.raises(QueryError, match="cannot sort by 'due-on'"):
        Task.find().sort(Task.due_on).all()


def _both_ways(kinto: Client) -> list[Any]:
    raw = Raw(kinto.url)
    return [raw.data("GET", f"{RECORDS}?_sort={sign}due-on") for sign in ("", "-")]


@pytest.mark.memory("PostgreSQL forgets no condition")
def test_the_server_can_forget_a_condition_beside_exists(kinto: Client, found: Any) -> None:
    Task(id="a", title="x").save()
    Task(id="b", title="y").save()
    assert found('title="x"&has_version=true') == ["a", "b"]


def test_no_condition_is_forgotten_beside_exists(kinto: Client) -> None:
    Task(id="a", title="x").save()
    Task(id="b", title="y").save()
    there = col(Task.version).exists()
    assert ids(Task.find(Task.title == "x", there)) == ids(Task.find(there, Task.title == "x")) == ["a"]
    assert ids(Task.find(Task.title == "x", key("never").exists(False))) == ["a"]


def test_what_lacks_the_field_can_be_left_out(kinto: Client, raw: Raw) -> None:
    Numbered(id="a", n=5).save()
    raw("PUT", f"{RECORDS}/b", {"data": {}})
    records = kinto.repository(Record, bucket="todo", collection="tasks")
    for condition in (key("n") != 1, key("n") > 1, key("n") >= 1, key("n").not_in(1)):
        assert ids(records.find(condition)) == ["a", "b"]
        assert ids(records.find(condition, key("n").exists())) == ["a"]


def test_a_page_that_the_server_cuts_short_is_not_the_last(paged: Client, paged_wire: Wire) -> None:
    capped = Raw(paged.url)("GET", f"{RECORDS}?_limit=5")
    assert len(capped.json()["data"]) == 2
    assert capped.headers["Next-Page"].startswith(f"{paged.url}{RECORDS}?")
    assert len(Numbered.find().limit(5).all()) == 5
    assert [len(page) for page in Numbered.find().pages(5)] == [2, 2, 2]
    assert len(paged.repository(Numbered).changes().updated) == 6
    paged_wire.clear()
    assert Numbered.find().count() == 6
    assert [request.method for request in paged_wire.sent] == ["HEAD"]


def test_the_pages_of_the_default_bucket_go_on_under_its_real_id(paged: Client, paged_wire: Wire) -> None:
    mine = paged.repository(Numbered, bucket="default")
    mine.create_many(Numbered(id=f"t{n}", n=n) for n in range(5))
    paged_wire.clear()
    assert [each.n for each in mine.find().sort(Numbered.n)] == [0, 1, 2, 3, 4]
    first, second, _ = (request.target for request in paged_wire.sent)
    user = paged.server_info().user
    assert user is not None
    assert first.startswith("/buckets/default/")
    assert second.startswith(f"/buckets/{user.bucket}/")
    assert mine.delete_all() == 5


def test_what_changes_while_pages_are_read_is_missed_by_no_changes(paged: Client) -> None:
    """In the server's own order it jumps before what was read already."""
    tasks = paged.repository(Numbered)
    pages = tasks.find().pages()
    read = [each.id for each in next(pages)]
    tasks.patch("t0", n=100)
    read += [each.id for page in pages for each in page]
    assert sorted(read) == ["t1", "t2", "t3", "t4", "t5"]
    read = []
    for page in tasks.find().sort("last_modified").pages():
        if not read:
            tasks.patch("t1", n=100)
        read += [each.id for each in page]
    assert sorted(read) == ["t0", "t1", "t1", "t2", "t3", "t4", "t5"]

    class Meanwhile(Wire):
        def send(self, request: Request) -> Response:
            if "_token" in request.target and len(self.sent) == 1:
                super().send(Request("PATCH", f"{RECORDS}/t2", {"Content-Type": "application/json"}, b'{"data":{}}'))
            return super().send(request)

    paged._runner.transport = Meanwhile(paged._runner.transport)
    assert sorted(each.id for each in tasks.changes().updated) == [f"t{n}" for n in range(6)]


def test_how_many_there_are_is_asked_for_by_itself(kinto: Client, raw: Raw, wire: Wire) -> None:
    Task(id="a").save()
    Task(id="b", title="x").save()
    assert "Total-Objects" not in raw("GET", RECORDS).headers
    assert Task.find(Task.title == "x").count() == 1
    assert (wire.last.method, wire.last.body) == ("HEAD", None)


def test_a_comparison_misses_nothing_that_changes_while_it_reads(paged: Client) -> None:
    with Client(paged.url, auth=ALICE) as other:
        between(paged, lambda: other.repository(Numbered).patch("t0", n=100))
        plan = paged.repository(Numbered).sync_to([])
    assert sorted(task.id for task in plan.deletions) == [f"t{n}" for n in range(6)]


def test_a_pattern_on_a_field_of_numbers_is_refused(kinto: Client, raw: Raw) -> None:
    raw("PUT", T1, {"data": {"n": 1}})
    with pytest.raises(QueryError):
        Numbered.find(col(Numbered.n).like("1")).all()
