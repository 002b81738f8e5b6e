"""What kinto-attachment does by itself, and what the library does instead."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_models import (
    Attachment,
    Client,
    ConflictError,
    InvalidRequestError,
    NoAttachmentError,
    NotFoundError,
    ReadOnlyFieldError,
    Record,
    ServerFailedError,
)
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import basic_patch
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.paths import records
from kinto_models.protocol.refusals import error_of
from tests.conftest import Serve

pytestmark = pytest.mark.memory("kinto-attachment is on the embedded server only")

PATH = "/buckets/todo/collections/tasks/records/t1"


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    attachment: Attachment | None = None


def ask(kinto: Client, request: Request) -> int:
    """Asks by hand."""

    def read(response: Response) -> int:
        if response.status >= 400:
            raise error_of(request, response)
        return response.status

    return kinto.run(Operation(request, read))


def form(mimetype: str = "text/plain", **headers: Any) -> Request:
    body = (
        '--edge\r\nContent-Disposition: form-data; name="attachment"; filename="a.txt"\r\n'
        f"Content-Type: {mimetype}\r\n\r\nby hand\r\n--edge--\r\n"
    )
    told = {"Content-Type": "multipart/form-data; boundary=edge", **headers}
    return Request("POST", f"{PATH}/attachment", told, body.encode())


def test_no_condition_is_heeded_so_an_instance_is_compared_before(kinto: Client) -> None:
    task = Task(id="t1")
    task.attach(b"first", filename="a.txt")
    stale = kinto.repository(Task).get("t1")
    task.attach(b"second", filename="b.txt")
    with pytest.raises(ConflictError):
        stale.attach(b"third", filename="c.txt")
    assert ask(kinto, form(**{"If-Match": stale.etag or ""})) == 200
    assert kinto.repository(Task).download("t1") == b"by hand"


def test_taking_a_file_from_what_is_not_there_makes_a_record_so_it_is_looked_for_before(kinto: Client) -> None:
    with pytest.raises(NoAttachmentError):
        kinto.repository(Task).detach("t1")
    assert not kinto.repository(Task).exists("t1")
    ask(kinto, Request("DELETE", f"{PATH}/attachment"))
    assert kinto.repository(Task).get("t1").attachment is None


def test_what_is_told_of_a_file_cannot_be_changed_by_hand(kinto: Client) -> None:
    task = Task(id="t1")
    told = task.attach(b"x", filename="a.txt")
    task.attachment = told.model_copy(update={"filename": "b.txt"})
    with pytest.raises(ReadOnlyFieldError, match=r"attach\(\)"):
        task.save()
    change = basic_patch({"attachment": task.attachment.model_dump()})
    with pytest.raises(InvalidRequestError, match="Attachment metadata"):  # though a server in memory has taken it
        kinto.run(operations.patch(records("todo", "tasks"), "t1", change, only=None))


@pytest.mark.parametrize("mimetype", ["multipart/mixed; boundary=x", "application/x-www-form-urlencoded"])
def test_the_server_fails_on_a_form_in_a_form_so_none_is_sent(kinto: Client, mimetype: str) -> None:
    task = Task(id="t1")
    task.attach(b"x", filename="a.txt")
    with pytest.raises(ValueError, match=r"fails|written as"):
        task.attach(b"x", filename="a.txt", mimetype=mimetype)
    assert task.download() == b"x"
    with pytest.raises(ServerFailedError, match="500"):
        ask(kinto, form(mimetype))


def test_the_old_file_is_gone_before_the_new_one_is_looked_at(serve: Serve) -> None:
    server = serve("images only", {"kinto.attachment.extensions": "images"})
    with Client(server.url, auth=("alice", "s3cret")) as kinto:
        kinto.bucket("todo").save(force=True)
        kinto.bucket("todo").collection("tasks").save(force=True)
        task = Task()
        told = task.attach(b"x", filename="a.png")
        with pytest.raises(InvalidRequestError, match="extension"):
            task.attach(b"x", filename="a.exe")
        assert kinto.repository(Task).get(task.id).attachment == told
        with pytest.raises(NotFoundError):
            task.download()


def test_a_deleted_record_takes_its_file_with_it(kinto: Client) -> None:
    task = Task(id="t1")
    told = task.attach(b"x", filename="a.txt")
    task.delete()
    with pytest.raises(NotFoundError):
        kinto.repository(Task).download(told)
