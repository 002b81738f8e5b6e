"""How far one exchange came, noted by the connection that it goes over for whoever makes an error of a failure."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from kinto_models.protocol.messages import Body, Sink, Transfer

__all__ = ["EXCHANGE", "Exchange", "Leaving"]

_FILE: Final = 200
"""The status of an answer whose body goes to a sink: others explain themselves."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its answer.

    Attributes:
        sent: whether a byte of the request may have left.
        late: whether the answer was given up because it took too long as a whole.
        transfer: what of the request and its answer is not kept in memory.
        fault: what the body or the sink of that raised, which is none of the wire's.
    """

    sent: bool = False
    late: bool = False
    transfer: Transfer | None = None
    fault: Exception | None = None

    def pieces(self, body: Body) -> Iterator[bytes]:
        """What is sent."""
        with self._minded():
            yield from body

    def sink(self, status: int) -> Sink | None:
        """What the body of an answer goes to, from its beginning; None where it is kept in memory."""
        sink = None if self.transfer is None or status != _FILE else self.transfer.sink
        if sink is not None:
            with self._minded():
                sink.begin()
        return sink

    def pour(self, sink: Sink, piece: bytes) -> None:
        """Hands a sink the next bytes."""
        with self._minded():
            sink.write(piece)

    @contextmanager
    def _minded(self) -> Generator[None, None, None]:
        try:
            yield
        except Exception as error:
            self.fault = error
            raise


class Leaving:
    """The body of an exchange, as those iterate over it who send: again from the beginning each time.

    Parameters:
        exchange: that it belongs to.
        body: what is sent.
    """

    def __init__(self, exchange: Exchange, body: Body) -> None:
        self._exchange = exchange
        self._body = body

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        return self._exchange.pieces(self._body)


EXCHANGE: Final[ContextVar[Exchange]] = ContextVar("EXCHANGE")
"""The exchange of the ``send()`` that is under way in this thread."""
