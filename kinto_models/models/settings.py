"""Objects with settings of Kinto's own, in which None is absence: Kinto refuses a null, or checks it as a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import SerializerFunctionWrapHandler, model_serializer

from kinto_models.models.resource import Resource
from kinto_models.models.schemas import NONE_IS_ABSENCE

__all__ = ["Configured"]

F = TypeVar("F", bound=Callable[..., Any])


def _marked(serializer: F) -> F:
    setattr(serializer, NONE_IS_ABSENCE, True)
    return serializer


class Configured(Resource):
    """An object with settings. Subclass ``Bucket`` or ``Collection`` instead."""

    @model_serializer(mode="wrap", return_type=dict[str, Any])
    @_marked
    def _leave_out_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        absent = [item for item in self.__kinto_settings__.items() if getattr(self, item[0]) is None]
        gone = {name for names in absent for name in names}
        return {name: value for name, value in dumped.items() if name not in gone}
