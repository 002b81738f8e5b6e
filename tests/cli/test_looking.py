"""``info``, ``ls`` and ``get``: what is in a server, for people and for programs."""

from __future__ import annotations

import re
import time

import pytest

from kinto_models import Client, Record
from kinto_models.cli.commands.ls import _buckets
from kinto_models.cli.places import Place, Spot, place_of, spot_of
from kinto_models.cli.status import Status
from kinto_models.cli.times import timestamp_of
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol import paths
from tests.cli.conftest import Command, record
from tests.conftest import Wire


def test_info_tells_who_one_is_and_what_the_server_can_do(command: Command) -> None:
    done = command("info")
    assert re.search(r"you +account:alice", done.out)
    assert re.search(r"^history +Track changes on data", done.out, re.MULTILINE)
    told = command("info", "--json").document
    assert told["user"]["id"] == "account:alice"
    assert told["project_name"] == "embedded kinto"
    assert "history" in told["capabilities"]
    assert re.search(r"you +nobody", command("info", auth="").out)


def test_ls_is_a_tree_with_counts(command: Command) -> None:
    assert [line.rstrip() for line in command("ls").out.splitlines()[1:]] == [
        "├── blog",
        "│   ├── articles  120 records",
        "│   ├── drafts    0 records",
        "│   ├── hostile   1 record",
        "│   └── editors   group, 2 members",
        "└── empty",
    ]


def test_ls_for_programs(command: Command) -> None:
    blog = {
        "id": "blog",
        "collections": [
            {"id": "articles", "records": 120},
            {"id": "drafts", "records": 0},
            {"id": "hostile", "records": 1},
        ],
        "groups": [{"id": "editors", "members": 2}],
    }
    assert command("ls", "--json").document == [blog, {"id": "empty", "collections": [], "groups": []}]
    assert command("ls", "blog", "--json").document == [blog]
    one = command("ls", "/buckets/blog/collections/drafts", "--json").document
    assert one == [{"id": "blog", "collections": [{"id": "drafts", "records": 0}]}]
    assert "editors" not in command("ls", "blog/drafts").out


def test_ls_shows_what_one_may_not_read_as_such(command: Command) -> None:
    assert "no bucket that you may read" in command("ls", auth="bob:hunter2").out
    done = command("ls", "blog", auth="bob:hunter2")
    assert done.status == 0
    assert re.search(r"drafts +0 records", done.out)
    assert "articles" not in done.out
    assert re.search(r"groups +not yours to list", done.out)
    assert command("ls", "blog", "--json", auth="bob:hunter2").document == [
        {"id": "blog", "collections": [{"id": "drafts", "records": 0}], "groups": None}
    ]


def test_ls_takes_as_many_requests_for_many_buckets_as_for_one(kinto: Client, wire: Wire) -> None:
    for name in ("one", "two", "three"):
        kinto.bucket(name).save()
        kinto.bucket(name).collection("c").save()
    kinto.server_info()
    wire.clear()
    assert len(_buckets(kinto, None)) == 4
    assert len(wire.sent) == 3


def test_get_shows_an_object_and_who_may_do_what(command: Command) -> None:
    done = command("get", "blog/articles/a7")
    assert '"title": "Title 7"' in done.out
    assert "write: account:alice" in done.out
    told = command("get", "blog/articles/a7", "--json").document
    assert told["data"]["title"] == "Title 7"
    assert told["permissions"] == {"write": ["account:alice"]}
    assert command("get", "/buckets/blog/groups/editors", "--json").document["data"]["members"] == [
        "account:bob",
        "account:carol",
    ]
    assert command("get", "blog/drafts", "--json").document["permissions"]["read"] == ["account:bob"]


def test_get_shows_no_hash_of_a_password(command: Command) -> None:
    for typed in ("/accounts/alice", "/accounts"):
        for json in ([], ["--json"]):
            done = command("get", typed, *json)
            assert "alice" in done.out
            assert "password" not in done.out
            assert "$2b$" not in done.out


def test_get_lists_what_is_in_it(command: Command) -> None:
    rows = command("get", "blog/articles/", "--where", "words<3", "--sort", "-words").out.splitlines()
    assert re.split(r"  +", rows[0].strip()) == ["id", "last modified (UTC)", "title", "words"]
    assert [row.split()[0] for row in rows[1:]] == ["a2", "a1", "a0"]
    lines = command("get", "blog/articles/", "--json").lines
    assert len(lines) == 120
    assert {line["id"] for line in command("get", "blog/", "--json").lines} == {"articles", "drafts", "hostile"}
    assert [line["id"] for line in command("get", "/buckets", "--sort", "id", "--json").lines] == ["blog", "empty"]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (["title=Title 7"], {"a7"}),
        (['title="Title 7"'], {"a7"}),
        (["words == 7"], {"a7"}),
        (["words>=118"], {"a118", "a119"}),
        (["words > 118"], {"a119"}),
        (["words<=1"], {"a0", "a1"}),
        (["words>2", "words<5"], {"a3", "a4"}),
        (["title~*e 11*", "words!=110"], {"a11", *(f"a{n}" for n in range(111, 120))}),
        (["id=a5"], {"a5"}),
    ],
)
def test_get_compares(command: Command, where: list[str], ids: set[str]) -> None:
    typed = [word for each in where for word in ("--where", each)]
    assert {line["id"] for line in command("get", "blog/articles/", *typed, "--json").lines} == ids


def test_get_shows_people_the_first_fifty_and_says_so(command: Command) -> None:
    done = command("get", "blog/articles/")
    assert len(done.out.splitlines()) == 51
    assert done.err == "the first 50 of 120: see --limit and --json\n"
    assert len(command("get", "blog/articles/", "--limit", "60").out.splitlines()) == 61
    assert len(command("get", "blog/articles/", "--limit", "7", "--json").lines) == 7


def test_get_shows_the_fields_that_are_asked_for(command: Command) -> None:
    asked = ("get", "blog/articles/", "--where", "id=a5", "--fields", "words,nothing")
    line = command(*asked, "--json").lines[0]
    assert list(line) == ["id", "last_modified", "words", "nothing"]
    assert (line["words"], line["nothing"]) == (5, None)
    done = command(*asked)
    assert "Title" not in done.out
    assert done.err == "nothing in nothing\n"


def test_get_cuts_off_what_would_make_every_line_long(command: Command, kinto: Client) -> None:
    records = kinto.bucket("todo").collection("tasks").records(Record)
    records.create_many([record(id="long", title="x" * 3000, words=1), record(id="short", title="y", words=2)])
    lines = command("get", "todo/tasks/", server=kinto.url, width=10_000).out.splitlines()
    assert max(map(len, lines)) < 300
    assert "x" * 199 + "…" in "".join(lines)
    told = command("get", "todo/tasks/", "--json", server=kinto.url).lines
    assert max(len(line["title"]) for line in told) == 3000


def test_get_lists_what_is_young(command: Command) -> None:
    assert len(command("get", "blog/articles/", "--since", "1h", "--json").lines) == 120
    assert command("get", "blog/articles/", "--since", str(round(time.time() * 1000) + 1000), "--json").lines == []


def test_history_tells_who_did_what(command: Command) -> None:
    done = command("history", "blog/articles/a7", width=200)
    row = re.split(r"  +", done.out.splitlines()[1].strip())
    assert row[1:4] == ["account:alice", "create", "blog/articles/a7"]
    assert row[4].startswith('{"title": "Title 7"')
    narrow = command("history", "blog/articles/a7", width=100).out.splitlines()[1]
    assert re.fullmatch(r"\S+ \S+  account:alice  create  blog/articles/a7  \{\"title\".*…\s*", narrow)
    assert all(len(line) <= 60 for line in command("history", "blog", width=60).out.splitlines())


def test_history_for_programs(command: Command) -> None:
    (entry,) = command("history", "blog/articles/a7", "--json").lines
    assert (entry["action"], entry["user_id"]) == ("create", "account:alice")
    assert entry["uri"] == "/buckets/blog/collections/articles/records/a7"
    assert entry["target"]["data"]["title"] == "Title 7"
    assert entry["target"]["permissions"] == {"write": ["account:alice"]}


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (["blog/articles"], 121),
        (["blog/articles", "--limit", "3"], 3),
        (["blog/articles", "--user", "alice"], 121),
        (["blog/articles", "--user", "account:alice"], 121),
        (["blog/articles", "--user", "bob"], 0),
        (["blog/drafts", "--action", "update"], 1),
        (["blog/drafts", "--action", "create"], 1),
        (["blog/articles", "--since", "1h"], 121),
        (["blog/articles", "--before", "1h"], 0),
        (["/buckets/blog/collections/articles/records/a7"], 1),
        (["/buckets/blog/groups/editors"], 1),
    ],
)
def test_history_is_narrowed_down(command: Command, typed: list[str], number: int) -> None:
    assert len(command("history", *typed, "--json").lines) == number


def test_history_of_nothing_says_so_beside_the_result(command: Command) -> None:
    done = command("history", "blog", "--user", "bob")
    assert (done.status, done.out, done.err) == (0, "", "nothing\n")


@pytest.mark.parametrize("path", ["blog/nope", "blog/articles/nope", "/buckets/blog/groups/nope"])
@pytest.mark.parametrize("how", [[], ["--json"]])
def test_history_of_what_never_was_is_not_found(command: Command, path: str, how: list[str]) -> None:
    done = command("history", path, *how)
    assert (done.status, done.out) == (Status.NOT_FOUND, "")
    assert "404" in done.err
    assert "nothing" not in done.err


def test_history_of_what_was_deleted_is_there(command: Command, kinto: Client) -> None:
    tasks = kinto.bucket("todo").collection("tasks").records(Record)
    tasks.create(Record(id="gone"))
    tasks.delete("gone")
    assert len(command("history", "todo/tasks/gone", "--json", server=kinto.url).lines) == 2
    done = command("history", "todo/tasks/gone", "--user", "nobody", server=kinto.url)
    assert (done.status, done.err) == (Status.DONE, "nothing\n")


def test_permissions_tell_what_one_may_do_where(command: Command) -> None:
    done = command("permissions", "--resource-name", "collection", auth="bob:hunter2")
    assert [re.split(r"  +", row.strip()) for row in done.out.splitlines()[1:]] == [
        ["collection", "blog/drafts", "read, read:attributes"],
    ]
    lines = command("permissions", "--json", "--resource-name", "bucket").lines
    assert {line["uri"] for line in lines} == {"/buckets/blog", "/buckets/empty"}
    assert "write" in lines[0]["permissions"]
    assert lines[0]["permissions"] == sorted(lines[0]["permissions"])
    assert len(command("permissions").out.splitlines()) == 51


def test_without_the_plugin_the_error_names_it(command: Command) -> None:
    server = EmbeddedServer({"alice": "s3cret"}, {"kinto.includes": "kinto.plugins.accounts"})
    try:
        Client(server.url, auth=("alice", "s3cret")).bucket("blog").save()
        done = command("history", "blog", server=server.url)
    finally:
        server.stop()
    assert done.status == Status.FAILED
    assert "kinto.plugins.history" in done.err


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("blog", Spot("blog")),
        ("blog/", Spot("blog")),
        ("blog/articles", Spot("blog", "articles")),
        ("blog/articles/a b", Spot("blog", "articles", "a b")),
        ("/buckets/blog", Spot("blog")),
        ("/buckets/blog/groups/editors", Spot("blog", group="editors")),
        ("/buckets/blog/collections/articles/records/a%20b", Spot("blog", "articles", "a b")),
    ],
)
def test_a_place_is_written_in_two_ways(text: str, spot: Spot) -> None:
    assert spot_of(text) == spot


@pytest.mark.parametrize(
    "text", ["", "/", "a/b/c/d", "a//b", "a b", "/buckets", "/groups/x", "/buckets/b/groups/.", "-a", "a/b/.."]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        spot_of(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("blog", Place(paths.buckets(), "blog")),
        ("blog/", Place(paths.collections("blog"))),
        ("blog/articles", Place(paths.collections("blog"), "articles")),
        ("blog/articles/", Place(paths.records("blog", "articles"))),
        ("/buckets", Place(paths.custom("/buckets", "[^/]+"))),
        ("/accounts/a@b.c", Place(paths.custom("/accounts", "[^/]+"), "a@b.c")),
    ],
)
def test_a_slash_at_the_end_is_what_is_in_it(text: str, place: Place) -> None:
    assert place_of(text) == place


@pytest.mark.parametrize("text", ["blog/articles/a1/", "/buckets/..", "//", "/a%2fb"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        place_of(text)


def test_moments_are_written_in_several_ways() -> None:
    assert timestamp_of("1700000000000") == 1700000000000
    assert timestamp_of("2023-11-14T22:13:20Z") == 1700000000000
    assert timestamp_of("2023-11-14T22:13:20") == 1700000000000
    assert timestamp_of("2023-11-14T23:13:20+01:00") == 1700000000000
    assert timestamp_of("2023-11-14") == 1699920000000
    assert abs(timestamp_of("2h") - (time.time() - 7200) * 1000) < 60_000
    for text in ("", "yesterday", "2y", "-5", "2023-13-01"):
        with pytest.raises(ValueError, match="2030-01-31"):
            timestamp_of(text)
