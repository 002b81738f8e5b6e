"""What a class may do around the reading and writing of its objects: methods to override, which do nothing here.

The client's side of what Kinto-Core's resources override as ``process_object`` and ``postprocess``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from kinto_models.models.outcomes import SaveResult

__all__ = ["Hooks"]


class Hooks:
    """The hooks of a class. With an ``AsyncClient`` each may be a coroutine function.

    ``old`` is an instance of the class, or None: write ``old: Self | None``. It is Any here because an override may not
    narrow a parameter. What a hook raises reaches the caller: before a request it refuses that, after one what the
    server did stays done.
    """

    __slots__ = ()

    def before_save(self, old: Any) -> Awaitable[None] | None:
        """Called before each request that creates or changes the object of an instance, and not where nothing has
        changed. May change the instance, whose values are checked and compared only then. ``patch()`` and
        ``on_conflict`` hand it a copy with the changes.

        Parameters:
            old: the object as the server last told it; None where it is to be created.
        """

    def after_save(self, old: Any, result: SaveResult) -> Awaitable[None] | None:
        """Called once the server has created or changed the object, when the instance is what the server has.

        Parameters:
            old: the object as it was before; None where it was created.
            result: what was done.
        """

    def after_load(self) -> Awaitable[None] | None:
        """Called for each instance that was read from the server: by ``get()`` and its kin, queries, ``changes()``,
        ``refresh()``.

        For what stands beside the fields, or to refuse: a field that is changed here is an unsaved change. Fields are
        made from what is stored by pydantic's validators, of which ``model_validator(mode="before")`` sees the JSON.
        """

    def before_delete(self, old: Any) -> Awaitable[None] | None:
        """Called before the object of an instance is deleted.

        Parameters:
            old: the object as the server last told it, or None.
        """

    def after_delete(self, old: Any) -> Awaitable[None] | None:
        """Called once the server has deleted the object of an instance.

        Parameters:
            old: the object as it was, or None.
        """
