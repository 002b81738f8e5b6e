"""Writing: what each method sends, what it leaves on the server, and what it does to the instance."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    computed_field,
    field_serializer,
    model_validator,
)

from kinto_models import (
    EVERYONE,
    Account,
    AlreadyExistsError,
    Bucket,
    Client,
    Collection,
    ConflictError,
    DeclarationError,
    ForbiddenError,
    Group,
    InvalidIdError,
    NotFoundError,
    NotSavedError,
    ReadOnlyFieldError,
    Record,
    SaveResult,
    ServerIds,
    UnauthorizedError,
    col,
    edit,
)
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire

pytestmark = pytest.mark.usefixtures("kinto")


class Address(BaseModel):
    city: str = ""


class Task(Record, bucket="todo", collection="tasks", readonly=("author",)):
    title: str
    priority: int = Field(default=3, ge=0)
    tags: list[str] = []
    author: str = "ada"
    address: Address = Address()
    due: int | None = Field(default=None, alias="due-at")


class Lenient(Record, bucket="todo", collection="tasks"):
    """The same records, without a rule."""


def stored(kinto: Client, object_id: str) -> dict[str, Any]:
    return kinto.repository(Lenient).get(object_id).model_extra or {}


def test_saving_a_new_object_creates_it(wire: Wire) -> None:
    task = Task(title="x")
    wire.clear()
    result = task.save()
    assert [r.method for r in wire.sent] == ["PUT"]
    assert wire.last.headers["If-None-Match"] == "*"
    assert wire.body() == {
        "data": {"title": "x", "priority": 3, "tags": [], "author": "ada", "address": {"city": ""}, "due-at": None}
    }
    assert result == SaveResult(
        created=True, changed=frozenset({"title", "priority", "tags", "author", "address", "due"}), etag=task.etag
    )
    assert task.saved
    assert task.last_modified
    assert "account:alice" in task.permissions.write
    assert Task.get(task.id) == task


def test_saving_a_changed_object_patches_the_fields_that_changed(kinto: Client, wire: Wire) -> None:
    task = Task(title="x")
    task.save()
    etag = task.etag
    task.priority = 1
    task.tags.append("docs")
    task.due = 5
    result = task.save()
    assert (wire.last.method, wire.last.headers["Content-Type"]) == ("PATCH", "application/json")
    assert wire.last.headers["If-Match"] == etag
    assert wire.body() == {"data": {"priority": 1, "tags": ["docs"], "due-at": 5}}
    assert result.changed == {"priority", "tags", "due"}
    assert not result.created
    assert task.etag == result.etag != etag
    assert stored(kinto, task.id)["due-at"] == 5


def test_saving_an_unchanged_object_sends_nothing(wire: Wire) -> None:
    task = Task(title="x")
    task.save()
    found = Task.find().one()
    wire.clear()
    assert task.save() == SaveResult(created=False, changed=frozenset(), etag=task.etag)
    assert found.save().changed == frozenset()
    assert found.save(force=True).changed == frozenset()
    assert wire.sent == []


def test_what_was_not_loaded_is_not_overwritten(kinto: Client) -> None:
    lenient = Lenient.model_validate({"id": "t1", "title": "x", "attachment": {"hash": "abc"}})
    lenient.save()
    task = Task.get("t1")
    task.title = "y"
    task.save()
    assert stored(kinto, "t1") == {"title": "y", "attachment": {"hash": "abc"}}
    assert task.model_extra == {"attachment": {"hash": "abc"}}


def test_fields_that_the_class_ignores_stay_on_the_server(kinto: Client) -> None:
    class Narrow(Task, unknown="ignore"):
        pass

    Lenient.model_validate({"id": "t1", "title": "x", "other": 1}).save()
    narrow = Narrow.get("t1")
    narrow.title = "y"
    narrow.save()
    assert narrow.model_extra is None
    assert stored(kinto, "t1") == {"title": "y", "other": 1}


def test_removing_an_unknown_field_removes_it_from_the_server(kinto: Client, wire: Wire) -> None:
    task = Lenient.model_validate({"id": "t1", "a/b~c": 1, "keep": {"x": 1, "y": 2}})
    task.save()
    delattr(task, "a/b~c")
    task.keep = {"x": 1}  # type: ignore[attr-defined]
    task.permissions.read.add(EVERYONE)
    task.permissions.read.add(Account("bob"))
    result = task.save()
    assert wire.last.headers["Content-Type"] == "application/json-patch+json"
    assert result.changed == {"a/b~c", "keep", "permissions"}
    assert stored(kinto, "t1") == {"keep": {"x": 1}}
    found = Lenient.get("t1")
    assert set(found.permissions.read) == {"system.Everyone", "account:bob"}
    assert "account:alice" in found.permissions.write


@pytest.mark.parametrize("reading", ["get", "find"])
def test_removing_a_field_costs_nobody_a_permission(kinto: Client, bob: Client, reading: str) -> None:
    """The server shows them only to who is in ``write``, and takes what it does not show for empty."""
    place = kinto.bucket("todo").collection("tasks")
    place.refresh()
    place.permissions.record_create.add(Account("bob"))
    place.save()
    his = Lenient.model_validate({"id": "t1", "gone": 1})
    his.permissions.read.add(Account("carol"))
    bob.repository(Lenient).create(his)
    found = Lenient.get("t1") if reading == "get" else Lenient.find().one()
    delattr(found, "gone")
    found.save()
    assert stored(kinto, "t1") == {}
    bob.repository(Lenient).refresh(his)
    assert set(his.permissions.read) == {"account:carol"}
    assert {"account:bob"} <= set(his.permissions.write)


def test_data_and_permissions_are_saved_in_one_request(kinto: Client, wire: Wire) -> None:
    task = Task(title="x")
    task.permissions.read.add(EVERYONE)
    assert task.save().changed >= {"title", "permissions"}
    assert wire.body()["permissions"] == {"read": ["system.Everyone"]}
    task.title = "y"
    task.permissions.write.add(Account("bob"))
    wire.clear()
    task.save()
    assert wire.body() == {"data": {"title": "y"}, "permissions": {"write": ["account:alice", "account:bob"]}}
    assert len(wire.sent) == 1
    task.permissions.read.discard(EVERYONE)
    result = task.save()
    assert wire.body() == {"permissions": {"read": []}}
    assert result.changed == {"permissions"}
    assert Task.get(task.id).permissions.read == set()


def test_permissions_of_every_kind_and_principals_of_every_kind(kinto: Client, bob: Client) -> None:
    bucket = kinto.bucket("todo")
    bucket.refresh()
    group = bucket.group("editors")
    group.members = {"account:bob"}
    group.save()
    bucket.permissions.collection_create.add(group)
    bucket.permissions.group_create.replace([Account("bob"), "system.Authenticated"])
    bucket.save()
    collection = bucket.collection("tasks")
    collection.refresh()
    collection.permissions.record_create.add(group)
    collection.save()
    assert bob.bucket("todo").collection("mine").save().created
    assert bob.repository(Task).create(Task(title="x")).saved
    assert set(kinto.buckets.get("todo").permissions.group_create) == {"account:bob", "system.Authenticated"}
    for bad in ("", "account:a b"):
        with pytest.raises(ValueError, match="is no principal"):
            bucket.permissions.read.add(bad)
    with pytest.raises(TypeError, match="is a class"):
        bucket.permissions.read.add(Group)


def test_a_wrong_value_is_refused_before_any_request(wire: Wire) -> None:
    task = Task(title="x")
    task.save()
    wire.clear()
    with pytest.raises(ValidationError):
        Task(title="x", priority=-1)
    task.tags.append(3)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="valid string"):
        task.save()
    with pytest.raises(ValidationError, match="valid string"):
        task.replace()
    with pytest.raises(ValidationError):
        task.patch(priority=-1)
    with pytest.raises(ValidationError):
        type(task).get(task.id).patch(priority="high")
    nan = Lenient.model_validate({"x": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        nan.save()
    assert [r.method for r in wire.sent] == ["GET"]


def test_readonly_fields_are_free_at_creation_and_fixed_afterwards(kinto: Client, wire: Wire) -> None:
    task = Task(title="x", author="bob")
    task.save()
    wire.clear()
    with pytest.raises(ReadOnlyFieldError, match=r"Task.author is readonly"):
        task.patch(author="eve")
    task.author = "eve"
    with pytest.raises(ReadOnlyFieldError):
        task.save()
    with pytest.raises(ReadOnlyFieldError):
        task.save(force=True)
    with pytest.raises(ReadOnlyFieldError):
        task.replace()
    with pytest.raises(ReadOnlyFieldError):
        kinto.repository(Task).patch(task.id, author="eve")
    assert wire.sent == []
    task.refresh()
    assert task.author == "bob"


def test_creating_what_exists_is_an_error_that_shows_it(kinto: Client) -> None:
    Task(id="t1", title="theirs").save()
    mine = Task(id="t1", title="mine")
    with pytest.raises(AlreadyExistsError) as caught:
        mine.save()
    error = caught.value
    assert (error.mine, error.base, error.theirs.title) == (mine, None, "theirs")
    assert not mine.saved
    assert mine.last_modified is None
    assert error.rebase() is mine
    assert mine.save().changed == {"title"}
    assert stored(kinto, "t1")["title"] == "mine"


def test_a_tombstone_is_no_obstacle_to_creation() -> None:
    Task(id="t1", title="x").save()
    Task.get("t1").delete()
    assert Task(id="t1", title="y").save().created


def test_forcing_overwrites_whatever_is_there(kinto: Client, wire: Wire) -> None:
    Task(id="t1", title="theirs", priority=7).save()
    mine = Task(id="t1", title="mine")
    assert not mine.save(force=True).created
    assert "If-None-Match" not in wire.last.headers
    assert stored(kinto, "t1")["priority"] == 3
    stale = Task.get("t1")
    mine.title = "newer"
    mine.save()
    stale.priority = 9
    stale.save(force=True)
    assert "If-Match" not in wire.last.headers
    assert (stale.title, stale.priority) == ("newer", 9)


def test_patching_writes_the_named_fields_only(kinto: Client, wire: Wire) -> None:
    task = Task(title="x")
    task.save()
    task.tags.append("unsaved")
    task.permissions.read.add(EVERYONE)
    result = task.patch(title="y", priority=3)
    assert wire.body() == {"data": {"title": "y"}}
    assert wire.last.headers["If-Match"]
    assert result.changed == {"title"}
    assert (task.title, task.tags, task.changes) == ("y", ["unsaved"], {"tags": ["unsaved"]})
    assert EVERYONE in task.permissions.read
    assert stored(kinto, task.id)["tags"] == []
    wire.clear()
    assert task.patch(title="y").changed == frozenset()
    assert wire.sent == []
    task.save()
    assert EVERYONE in Task.get(task.id).permissions.read


def test_a_failed_patch_leaves_the_instance_as_it_was(kinto: Client) -> None:
    task = Task(title="x")
    task.save()
    kinto.repository(Task).patch(task.id, title="theirs")
    before = task.model_dump()
    with pytest.raises(ConflictError):
        task.patch(title="mine")
    assert task.model_dump() == before
    assert not task.dirty


def test_patching_by_id_reads_nothing_before_and_returns_the_object(kinto: Client, wire: Wire) -> None:
    Task(id="t1", title="x", tags=["a"]).save()
    wire.clear()
    task = kinto.repository(Task).patch("t1", title="y", due=4)
    assert [r.method for r in wire.sent] == ["PATCH"]
    assert wire.body() == {"data": {"title": "y", "due-at": 4}}
    assert (task.title, task.tags, task.saved) == ("y", ["a"], True)
    lenient = kinto.repository(Record, bucket="todo", collection="tasks").patch("t1", anything=[1])
    assert lenient.model_extra is not None
    assert lenient.model_extra["anything"] == [1]


def test_patching_what_cannot_be_patched_says_why(kinto: Client, wire: Wire) -> None:
    tasks = kinto.repository(Task)
    task = Task(title="x")
    with pytest.raises(NotSavedError, match=r"save\(\) it"):
        task.patch(title="y")
    task.save()
    wire.clear()
    for target in (task, task.id):
        for name in ("titel", "id", "last_modified"):
            with pytest.raises(TypeError, match=f"no field '{name}' to patch"):
                tasks.patch(target, **{name: 1})
    with pytest.raises(ValidationError):
        tasks.patch(task.id, priority=-1)
    with pytest.raises(TypeError, match="at least one field"):
        tasks.patch(task.id)
    with pytest.raises(InvalidIdError):
        tasks.patch("a/b", title="y")
    assert wire.sent == []
    with pytest.raises(NotFoundError):
        tasks.patch("missing", title="y")


def test_replacing_writes_every_field_and_drops_the_others(kinto: Client, wire: Wire) -> None:
    Lenient.model_validate({"id": "t1", "title": "x", "gone": 1}).save()

    class Narrow(Task, unknown="ignore"):
        pass

    task = Narrow.get("t1")
    task.title = "y"
    assert task.replace().changed >= {"title", "priority"}
    assert (wire.last.method, wire.last.headers["If-Match"]) == ("PUT", wire.last.headers["If-Match"])
    assert "gone" not in stored(kinto, "t1")


def test_replacing_keeps_the_permissions_unless_they_changed(kinto: Client, wire: Wire) -> None:
    task = Task(title="x")
    task.permissions.read.add(EVERYONE)
    task.save()
    task.title = "y"
    task.replace()
    assert "permissions" not in wire.body()
    task.permissions.write.add(Account("bob"))
    assert task.replace().changed >= {"title", "permissions"}
    assert wire.body()["permissions"] == {"read": ["system.Everyone"], "write": ["account:alice", "account:bob"]}
    assert EVERYONE in Task.get(task.id).permissions.read


def test_replacing_a_new_object_needs_force(wire: Wire) -> None:
    task = Task(id="t1", title="x")
    wire.clear()
    with pytest.raises(NotSavedError, match=r"save\(\) creates it"):
        task.replace()
    assert wire.sent == []
    assert task.replace(force=True).created


def test_replacing_a_deleted_object_says_that_it_is_gone() -> None:
    task = Task(id="t1", title="x")
    task.save()
    Task.get("t1").delete()
    with pytest.raises(NotFoundError, match="deleted since it was read") as caught:
        task.replace()
    assert caught.value.status == 412
    assert task.replace(force=True).created


def test_saving_a_deleted_object_says_that_it_is_gone() -> None:
    task = Task(id="t1", title="x")
    task.save()
    Task.get("t1").delete()
    task.title = "y"
    with pytest.raises(NotFoundError) as caught:
        task.save()
    assert caught.value.details == {"id": "t1", "resource_name": "record"}
    assert (task.title, task.saved, task.dirty) == ("y", True, True)


def test_deleting_is_conditional_and_leaves_a_new_object(wire: Wire) -> None:
    task = Task(title="x")
    task.save()
    etag = task.etag
    assert task.delete()
    assert wire.last.headers["If-Match"] == etag
    assert (task.saved, task.etag, task.last_modified, task.title) == (False, None, None, "x")
    assert task.save().created


def test_deleting_what_is_not_there(kinto: Client, wire: Wire) -> None:
    tasks = kinto.repository(Task)
    with pytest.raises(NotFoundError):
        tasks.delete("missing")
    assert tasks.delete("missing", missing_ok=True) is False
    task = Task(title="x")
    with pytest.raises(NotSavedError, match=r"delete\(force=True\)"):
        task.delete()
    assert task.delete(force=True, missing_ok=True) is False
    task.save()
    tasks.delete(task.id)
    with pytest.raises(NotFoundError):
        task.delete()
    assert task.saved
    for bad in ("", "..", "a/b", "ab\n", "!!!", "🎉"):
        wire.clear()
        with pytest.raises(InvalidIdError):
            tasks.delete(bad)
        assert wire.sent == []


def test_refreshing_brings_the_servers_state_and_drops_unsaved_changes(kinto: Client, wire: Wire) -> None:
    task = Task(title="x")
    task.save()
    task.title = "unsaved"
    task.permissions.read.add(EVERYONE)
    wire.clear()
    assert task.refresh() is False
    assert wire.last.headers["If-None-Match"] == task.etag
    assert (task.title, task.dirty, list(task.permissions.read)) == ("x", False, [])
    kinto.repository(Task).patch(task.id, title="theirs")
    assert task.refresh() is True
    assert (task.title, task.dirty) == ("theirs", False)
    kinto.repository(Task).delete(task.id)
    with pytest.raises(NotFoundError):
        task.refresh()
    assert task.title == "theirs"


def test_refreshing_a_listed_object_brings_its_permissions() -> None:
    Task(title="x").save()
    task = Task.find().one()
    assert not task.permissions.known
    assert task.refresh() is False
    assert "account:alice" in task.permissions.write


def test_refreshing_a_new_object_reads_the_one_of_its_id() -> None:
    Task(id="t1", title="theirs").save()
    task = Task(id="t1", title="mine")
    assert task.refresh() is True
    assert (task.title, task.saved) == ("theirs", True)


def test_getting_or_creating(kinto: Client, bob: Client, wire: Wire) -> None:
    tasks = kinto.repository(Task)
    task, created = tasks.get_or_create(Task(id="t1", title="x"))
    assert (created, task.title, task.saved) == (True, "x", True)
    again, created = tasks.get_or_create(Task(id="t1", title="y"))
    assert (created, again.title, again.permissions.known) == (False, "x", True)
    task.permissions.write.add(Account("bob"))
    task.save()
    his, created = bob.repository(Task).get_or_create(Task(id="t1", title="z"))
    assert (created, his.title) == (False, "x")
    with pytest.raises(ForbiddenError):
        bob.repository(Task).get_or_create(Task(id="t2", title="z"))


def test_upserting_creates_or_writes_over_and_keeps_what_it_does_not_have(
    kinto: Client, bob: Client, wire: Wire
) -> None:
    tasks = kinto.repository(Task)
    assert tasks.upsert(Task(id="t1", title="x")).created
    Lenient.get("t1").patch(extra=1)
    task = Task(id="t1", title="y")
    result = tasks.upsert(task)
    assert not result.created
    assert result.changed == {"title"}
    assert task.saved
    assert stored(kinto, "t1")["extra"] == 1
    wire.clear()
    assert tasks.upsert(Task(id="t1", title="y")).changed == frozenset()
    assert [r.method for r in wire.sent] == ["PUT"]
    with pytest.raises(ReadOnlyFieldError):
        tasks.upsert(Task(id="t1", title="y", author="eve"))
    task.refresh()
    task.permissions.write.add(Account("bob"))
    task.save()
    assert bob.repository(Task).upsert(Task(id="t1", title="z")).changed == {"title"}
    granted = Task(id="t1", title="z")
    granted.permissions.read.add(EVERYONE)
    assert tasks.upsert(granted).changed == {"permissions"}
    assert EVERYONE in Task.get("t1").permissions.read


def test_ids_made_by_the_server(kinto: Client, wire: Wire) -> None:
    class Posted(Record, bucket="todo", collection="tasks", ids=ServerIds):
        title: str

    posted = Posted(title="x")
    assert posted.id == ""
    assert posted.save().created
    assert (wire.last.method, wire.last.target) == ("POST", "/buckets/todo/collections/tasks/records")
    assert posted.saved
    assert posted.save().changed == frozenset()
    assert Posted.get(posted.id).title == "x"
    chosen = Posted(id="mine", title="y")
    chosen.save()
    assert wire.last.method == "PUT"


def test_buckets_collections_and_groups_are_models_too(kinto: Client, wire: Wire) -> None:
    class Blog(Bucket, bucket="blog"):
        tagline: str = ""

    class Articles(Collection, bucket=Blog, collection="articles"):
        pass

    class Editors(Group, bucket=Blog, group="editors"):
        pass

    blog, articles, editors = Blog(tagline="x"), Articles(display_fields=["title"]), Editors(members={"account:bob"})
    for obj in (blog, articles, editors):
        assert obj.save().created
    assert [c.id for c in blog.collections.find()] == ["articles"]
    assert [g.members for g in blog.groups.find()] == [{"account:bob"}]
    assert Articles.get("articles").display_fields == ["title"]
    articles.cache_expires = 60
    articles.sort = "-title"
    assert articles.save().changed == {"cache_expires", "sort"}
    articles.cache_expires = None
    articles.save()
    found = blog.collections.get("articles")
    assert (found.cache_expires, found.sort, found.model_extra) == (None, "-title", {})
    articles.json_schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    articles.save()
    assert wire.body() == {"data": {"schema": articles.json_schema}}
    record = articles.records(Record).create(Record(id="r1"))
    assert record.save().changed == frozenset()
    editors.members.add("account:eve")
    assert editors.save().changed == {"members"}
    assert blog.delete()


def test_handles_stand_for_objects_without_reading_them(kinto: Client, wire: Wire) -> None:
    wire.clear()
    articles = kinto.bucket("blog").collection("articles").records(Record)
    assert (articles.bucket, articles.collection, articles.model) == ("blog", "articles", Record)
    assert kinto.bucket("blog").group("editors").principal == "/buckets/blog/groups/editors"
    assert wire.sent == []
    for bad in ("", "a/b", "..", "🎉"):
        with pytest.raises(InvalidIdError):
            kinto.bucket(bad)
        with pytest.raises(InvalidIdError):
            kinto.bucket("blog").collection(bad)
        with pytest.raises(InvalidIdError):
            kinto.bucket("blog").group(bad)


def test_the_same_class_elsewhere(kinto: Client) -> None:
    kinto.bucket("staging").save()
    kinto.bucket("staging").collection("tasks").save()
    staging = kinto.repository(Task, bucket="staging")
    task = staging.create(Task(title="x"))
    assert Task.find().count() == 0
    assert staging.count() == 1
    task.title = "y"
    task.save()
    assert staging.get(task.id).title == "y"


def test_an_unknown_bucket_is_said_to_be_possibly_absent(kinto: Client, server: EmbeddedServer) -> None:
    with pytest.raises(ForbiddenError, match="where the bucket does not exist"):
        kinto.repository(Task, bucket="nope").get("x")
    with pytest.raises(NotFoundError, match="the bucket or collection that it would be in does not exist"):
        kinto.repository(Task, bucket="nope").create(Task(title="x"))
    with Client(server.url) as anonymous, pytest.raises(UnauthorizedError, match="bucket does not exist") as caught:
        anonymous.repository(Task, bucket="nope").get("x")
    assert isinstance(caught.value, PermissionError)


def test_what_is_known_of_an_object_elsewhere_says_nothing_here(kinto: Client, wire: Wire) -> None:
    kinto.bucket("todo").collection("copies").save()
    copies = kinto.repository(Task, collection="copies")
    task = Task(id="t1", title="x")
    task.save()
    assert copies.save(task).created
    assert copies.get("t1") == task
    elsewhere = Task.get("t1")
    with pytest.raises(NotSavedError):
        copies.delete(elsewhere)
    with pytest.raises(NotSavedError):
        copies.replace(elsewhere)
    with pytest.raises(NotSavedError):
        copies.patch(elsewhere, title="y")
    with pytest.raises(AlreadyExistsError):
        copies.save(elsewhere)
    assert copies.url == f"{kinto.url}/buckets/todo/collections/copies/records"
    again = pickle.loads(pickle.dumps(task))
    again.title = "y"
    assert copies.save(again).changed == {"title"}


def test_a_secret_is_not_stored_as_its_asterisks(wire: Wire) -> None:
    class Login(Record, bucket="todo", collection="tasks"):
        password: SecretStr
        others: list[SecretStr] = []

    class Revealed(Login):
        @field_serializer("password")
        def _reveal(self, value: SecretStr) -> str:
            return value.get_secret_value()

    wire.clear()
    with pytest.raises(DeclarationError, match=r"Login.password holds a secret .* get_secret_value") as caught:
        Login(password=SecretStr("s3cret")).save()
    with pytest.raises(DeclarationError, match="Revealed.others"):
        Revealed(password=SecretStr("s3cret"), others=[SecretStr("x")]).save()
    assert wire.sent == []
    assert "s3cret" not in str(caught.value)
    login = Revealed(password=SecretStr("s3cret"))
    login.save()
    assert Revealed.get(login.id) == login
    login.password = SecretStr("other")
    assert login.save().changed == {"password"}
    assert Login(password=SecretStr("**********")).save().created
    loaded = Login.get(login.id)
    loaded.password = SecretStr("another")
    with pytest.raises(DeclarationError, match="holds a secret"):
        loaded.save()


def test_what_is_sent_is_what_was_validated(kinto: Client) -> None:
    class Stripped(BaseModel, str_strip_whitespace=True):
        city: str = ""

    class Loose(Record, bucket="todo", collection="tasks", validate_assignment=False):
        numbers: list[int] = []
        place: Stripped = Stripped()
        number: int = "7"  # type: ignore[assignment]  # pydantic does not validate defaults

    loose = Loose(id="t1")
    loose.save()
    assert stored(kinto, "t1")["number"] == 7
    loose.numbers.append("5")  # type: ignore[arg-type]
    loose.place.city = "  Oslo "
    loose.number = "12"  # type: ignore[assignment]
    assert loose.save().changed == {"numbers", "place", "number"}
    assert stored(kinto, "t1") == {"numbers": [5], "place": {"city": "Oslo"}, "number": 12}
    assert (loose.numbers, loose.place.city, loose.number) == ([5], "Oslo", 12)
    assert Loose.find(col(Loose.numbers).contains(5), Loose.number == 12).count() == 1


def test_fields_that_are_not_stored_keep_their_values(kinto: Client) -> None:
    class Token(Record, bucket="todo", collection="tasks"):
        title: str = ""
        token: str = Field(default="", exclude=True)

    token = Token(id="t1", title="x", token="abc")
    token.save()
    token.title = "y"
    assert token.save().changed == {"title"}
    token.refresh()
    assert token.token == "abc"
    assert stored(kinto, "t1") == {"title": "y"}


def test_computed_fields_are_not_stored_at_any_depth(kinto: Client) -> None:
    class Square(BaseModel, extra="forbid"):
        side: int

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.side**2

    class Plot(Record, bucket="todo", collection="tasks"):
        square: Square

    plot = Plot(id="t1", square=Square(side=3))
    plot.save()
    assert stored(kinto, "t1") == {"square": {"side": 3}}
    assert Plot.get("t1") == plot


def test_fields_that_belong_together_are_patched_together() -> None:
    class Span(Record, bucket="todo", collection="tasks"):
        model_config = ConfigDict(frozen=True)
        start: int
        end: int

        @model_validator(mode="after")
        def _in_order(self) -> Span:
            if self.start > self.end:
                raise ValueError("start is after end")
            return self

    span = Span(start=1, end=5)
    span.save()
    span.patch(start=10, end=20)
    assert (span.start, span.end) == (10, 20)
    with pytest.raises(ValidationError, match="start is after end"):
        span.patch(start=30)
    assert span.start == 10


def test_an_object_that_was_gone_already_can_be_saved_again(kinto: Client) -> None:
    task = Task(title="x")
    task.save()
    kinto.repository(Task).delete(task.id)
    assert task.delete(missing_ok=True) is False
    assert not task.saved
    assert task.save().created


def test_a_repository_takes_instances_of_its_class_only(kinto: Client) -> None:
    with pytest.raises(TypeError, match="is of Task, not of Lenient"):
        kinto.repository(Task).save(Lenient())  # type: ignore[arg-type]
    wrong: Any
    for wrong in (int, BaseModel, "Task"):
        with pytest.raises(DeclarationError, match="is not a Record, Bucket, Collection or Group class"):
            kinto.repository(wrong)


def test_unknown_fields_that_are_named_like_methods_keep_their_values() -> None:
    odd = Record.model_validate({"id": "t1", "save": "S", "saved": 1, "x": 2})
    assert odd.changes == {"save": "S", "saved": 1, "x": 2}


@pytest.mark.parametrize("verb", ["save", "replace"])
def test_what_is_fixed_stays_so_also_where_an_object_is_overwritten_unread(
    kinto: Client, wire: Wire, verb: str
) -> None:
    class Signed(Record, bucket="todo", collection="tasks", readonly=("signature",)):
        title: str
        signature: str

    getattr(Signed(id="s1", title="a", signature="Ada"), verb)(force=True)
    wire.clear()
    with pytest.raises(ReadOnlyFieldError):
        getattr(Signed(id="s1", title="b", signature="Bob"), verb)(force=True)
    assert [request.method for request in wire.sent] == ["GET"]
    getattr(Signed(id="s1", title="b", signature="Ada"), verb)(force=True)
    assert Signed.get("s1").title == "b"


class Counted(Record, bucket="todo", collection="tasks"):
    count: int = 0
    share: float = 0.0
    counts: dict[str, int] = {}


@pytest.mark.parametrize(("least", "most"), [(-(2**63), 2**64 - 1)])
def test_an_integer_that_the_server_would_make_a_float_of_is_refused(
    kinto: Client, wire: Wire, least: int, most: int
) -> None:
    kept = Counted(id="c1", count=most, counts={"a": least})
    kept.save()
    assert Counted.get("c1").model_dump() == kept.model_dump()
    wire.clear()
    for wrong in ({"count": most + 1}, {"count": 10**400}, {"counts": {"a": least - 1}}):
        with pytest.raises(ValueError, match="Kinto keeps integers of 64 bits"):
            Counted.model_validate(wrong).save()
        with pytest.raises(ValueError, match="Kinto keeps integers of 64 bits"):
            kinto.repository(Counted).patch("c1", **wrong)
    assert wire.sent == []
    free = Counted.model_validate({"share": float(2**70), "more": 2**70})
    free.save()
    # PostgreSQL keeps the digits of that float, and so an integer close to it comes back from there.
    for each in (free, Counted.get(free.id)):
        assert each.model_extra == {"more": pytest.approx(2.0**70)}


@pytest.mark.parametrize(
    "write",
    [
        lambda tasks, task: tasks.create(Task(title="a\0b")),
        lambda tasks, task: tasks.save(task.model_copy(update={"title": "a\0b"})),
        lambda tasks, task: tasks.replace(task.model_copy(update={"title": "a\0b"})),
        lambda tasks, task: tasks.patch(task, title="a\0b"),
        lambda tasks, task: tasks.patch(task.id, title="a\0b"),
        lambda tasks, task: tasks.patch(task.id, edit(Task.title).set("a\0b")),
    ],
)
def test_a_text_that_postgresql_cannot_store_is_refused(kinto: Client, wire: Wire, write: Any) -> None:
    """Kinto would answer with a 503, which asks for another try."""
    tasks = kinto.repository(Task)
    task = tasks.create(Task(title="\\u0000 is written so"))
    wire.clear()
    with pytest.raises(ValueError, match="U\\+0000"):
        write(tasks, task)
    assert wire.sent == []
