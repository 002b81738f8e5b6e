"""A model class whose fields can be named on the class: ``Task.priority`` in a query.

pydantic keeps fields off the class, and takes what it finds there for a default; so nothing is stored on the class.
The attribute is made when the normal lookup misses, and hidden from pydantic itself, which looks for defaults.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from kinto_models.models.expressions import expression

__all__ = ["FieldsOnClass"]

if TYPE_CHECKING:
    # To a checker the class is a plain pydantic model: ``Task.priority`` has the field's own type.
    class FieldsOnClass(BaseModel):
        """A pydantic model whose fields can be named on the class."""

else:

    class _FieldsOnClass(type(BaseModel)):
        # Overriding __new__ instead would hide the caller's namespace from pydantic, which resolves forward
        # references from it.
        def __getattr__(cls, name: str) -> Any:
            if name[:1] != "_" and name in cls.__dict__.get("__pydantic_fields__", ()):
                caller = sys._getframe(1).f_globals.get("__name__") or ""
                if not caller.startswith("pydantic."):
                    return expression(cls, name)
            try:
                return super().__getattr__(name)
            except AttributeError:
                message = f"class {cls.__name__} has no field or method {name!r}"
                raise AttributeError(message, name=name, obj=cls) from None

        def __dir__(cls) -> list[str]:
            return [*super().__dir__(), *cls.__dict__.get("__pydantic_fields__", ())]

    class FieldsOnClass(BaseModel, metaclass=_FieldsOnClass):
        """A pydantic model whose fields can be named on the class."""
