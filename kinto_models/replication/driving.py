"""One story with two servers in it: conversations, each with the runner that is to run it.

A ``Conversation`` does not know who runs it. A ``Flow`` yields whole ones, and says whose they are; so it is the same
for blocking and for async clients.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from kinto_models.protocol.messages import Ahead, Conversation, Emit, Stream, hand
from kinto_models.replication.places import Place

__all__ = ["At", "Flow", "at", "drive", "drive_async", "following"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class At(Generic[T]):
    """A conversation, and the runner of either kind that is to run it."""

    runner: Any
    conversation: Conversation[T]


Flow: TypeAlias = "Generator[At[Any], Any, T]"


def at(place: Place, conversation: Conversation[T]) -> Flow[T]:
    """A conversation with the server of this place, as a part of a flow."""
    result: T = yield At(place.runner, conversation)
    return result


def drive(flow: Flow[T]) -> T:
    """Runs a flow of blocking runners."""
    try:
        step = next(flow)
        while True:
            try:
                result = step.runner.converse(step.conversation)
            except Exception as error:  # noqa: BLE001  # the flow hears of it first
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        flow.close()


async def drive_async(flow: Flow[T]) -> T:
    """Runs a flow of async runners."""
    try:
        step = next(flow)
        while True:
            try:
                result = await step.runner.converse(step.conversation)
            except Exception as error:  # noqa: BLE001  # see drive()
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        flow.close()


def following(stream: Stream[T]) -> Conversation[T | None]:
    """What a stream gives next, or None where it ends. Nothing is asked for ahead: the other server has its turn."""
    step = next(stream, None)
    while not (step is None or isinstance(step, Emit)):
        step = hand(stream, step.operation if isinstance(step, Ahead) else (yield step))
    return None if step is None else step.value
