"""Integers beyond 64 bits, which Kinto stores as floats (it parses JSON with rapidjson's native numbers)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError

__all__ = ["may_be_rounded", "refuse_rounded"]

_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG: Final = b"0" * 19
_LEAST, _MOST = -(2**63), 2**64 - 1


def may_be_rounded(text: bytes) -> bool:
    """Whether this JSON has a row of digits as long as such an integer's, found as quickly as can be."""
    return _LONG in text.translate(_ZEROS)


def _as_stored(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_stored(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_stored(each) for each in value]
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        return float(str(value))  # infinity, where float(value) would be an error of its own
    return value


def refuse_rounded(label: str, value: Any, read: Callable[[Any], object]) -> None:
    """Refuses JSON that could not be read any more once the server has made floats of its integers.

    Parameters:
        label: what it is of.
        value: the JSON.
        read: reads it, or raises.

    Raises:
        ValueError: it could not.
    """
    stored = _as_stored(value)
    if repr(stored) != repr(value):  # a float can be equal to the integer that it was
        try:
            read(stored)
        except ValueError as error:  # pydantic's, or JSON's of an infinity
            way = error.errors()[0]["loc"] if isinstance(error, ValidationError) else ()
            where = "".join(f".{part}" for part in way)
            raise ValueError(
                f"{label}{where}: Kinto keeps integers of 64 bits, and stores a float instead of this "
                "one, which could not be read again: store it as text"
            ) from None
