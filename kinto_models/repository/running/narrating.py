"""What the standard logger ``kinto_models`` is told: a line a request at DEBUG, retries at INFO.

Each line names method and path, without query, headers or bodies, which may hold secrets; the same stands as values
in the record's ``kinto``, for handlers that write JSON. Nothing is said of single objects at a higher level.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final, TypeVar

from kinto_models.protocol.messages import Pause, Request, Response
from kinto_models.protocol.retry import Attempts

__all__ = ["narrated", "note_pause", "note_withheld"]

T = TypeVar("T")

_log: Final = logging.getLogger("kinto_models")


def narrated(flow: Attempts[T]) -> Attempts[T]:
    """The same, told as it goes, where anybody listens."""
    return _narrated(flow) if _log.isEnabledFor(logging.INFO) else flow


def _narrated(flow: Attempts[T]) -> Attempts[T]:
    step, what = next(flow), ""
    try:
        while True:
            if isinstance(step, Pause):
                note_pause(what, step)
                yield step
                step = next(flow)
                continue
            what, began = step.line, time.perf_counter()
            try:
                outcome = yield step
            except Exception as error:  # noqa: BLE001  # it is the flow's
                step = flow.throw(error)
            else:
                _note(step, outcome, time.perf_counter() - began)
                step = flow.send(outcome)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        flow.close()


def note_pause(what: str, pause: Pause) -> None:
    """Notes why nothing is sent for a while."""
    if pause.why:
        told = {"request": what, "why": pause.why, "seconds": pause.seconds}
        _log.info("%s: %s, in %.3g s", what or "request", pause.why, pause.seconds, extra={"kinto": told})


def note_withheld(request: Request) -> None:
    """Notes a write that a dry run does not send."""
    _log.info("%s: not sent, in a dry run", request.line, extra={"kinto": {"request": request.line}})


def _note(request: Request, outcome: Any, seconds: float) -> None:
    answered = isinstance(outcome, Response)
    status = outcome.status if answered else None
    size = len(outcome.body) if answered else 0
    told = {"request": request.line, "status": status, "bytes": size, "seconds": seconds}
    became = f"{status}, {size} bytes" if answered else type(outcome).__name__
    _log.debug("%s: %s in %.0f ms", request.line, became, seconds * 1000, extra={"kinto": told})
