"""Who is told what a client has written."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeAlias, get_args

from kinto_models.models.events import Action, Event
from kinto_models.models.stored import Stored
from kinto_models.protocol.messages import Conversation, call

__all__ = ["Subscriber", "Subscribers"]

Subscriber: TypeAlias = "Callable[[Event[Any]], object]"

_log = logging.getLogger("kinto_models")


@dataclass(frozen=True, slots=True)
class _Subscription:
    model: type[Stored]
    actions: frozenset[Action]
    function: Subscriber


class Subscribers:
    """The subscribers of one client. What one of them raises is logged: the write that it is told of is done.

    Parameters:
        awaited: whether coroutine functions can be called.
    """

    def __init__(self, *, awaited: bool) -> None:
        self._awaited = awaited
        self._all: tuple[_Subscription, ...] = ()  # replaced as a whole, so that threads need no lock to read it

    def __bool__(self) -> bool:
        return bool(self._all)

    def check(self, model: type[Stored], actions: tuple[Action, ...]) -> None:
        """Raises what is wrong with a subscription.

        Raises:
            TypeError: not a class of objects.
            ValueError: not an action.
        """
        if not (isinstance(model, type) and issubclass(model, Stored)):
            raise TypeError(f"subscribe() takes a Record, Bucket, Collection or Group class, not {model!r}")
        for action in actions:
            if action not in get_args(Action):
                raise ValueError(f"an action is one of {', '.join(map(repr, get_args(Action)))}, not {action!r}")

    def add(self, model: type[Stored], actions: tuple[Action, ...], function: Subscriber) -> None:
        """Tells ``function`` of what happens to objects of the class and of its subclasses.

        Raises:
            TypeError: a coroutine function where nothing is awaited.
        """
        if iscoroutinefunction(function) and not self._awaited:
            raise TypeError(f"{function!r} would have to be awaited: a Client takes plain functions")
        self._all = (*self._all, _Subscription(model, frozenset(actions or get_args(Action)), function))

    def remove(self, function: Subscriber) -> None:
        """Tells ``function`` nothing more."""
        self._all = tuple(each for each in self._all if each.function != function)

    def tell(self, event: Event[Any]) -> Conversation[None]:
        """Tells all that want to know of it, one after the other."""
        for each in self._all:
            if event.action in each.actions and issubclass(event.model, each.model):
                yield from call(partial(self._told, each.function, event))

    def _told(self, function: Subscriber, event: Event[Any]) -> Awaitable[None] | None:
        try:
            result = function(event)
        except Exception:  # noqa: BLE001  # whatever it is, it is not the writer's
            _log_failure(function)
            return None
        if not isinstance(result, Awaitable):
            return None
        if self._awaited:
            return _awaited(function, result)
        if isinstance(result, Coroutine):
            result.close()
        _log.error("a subscriber would have to be awaited, which a Client does not do: %r", function)
        return None


async def _awaited(function: Subscriber, result: Awaitable[object]) -> None:
    try:
        await result
    except Exception:  # noqa: BLE001  # see Subscribers
        _log_failure(function)


def _log_failure(function: Subscriber) -> None:
    _log.exception("a subscriber failed, and what it was told of is done all the same: %r", function)
