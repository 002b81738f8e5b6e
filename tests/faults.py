"""A bench of faults: stands between a client and a real server, and lets planned requests meet planned accidents.

Bytes pass as they come, in both directions; of a message the bench reads no more than where its head and body end.
What is not planned is handed on unchanged. Everything is bounded: each plan in count, and the bench in time, after
which it hangs up on everybody, so that no test waits for ever.

    with Bench(server.url) as bench, Client(bench.url) as kinto:
        bench.plan(Cut("answer.head"), on="PUT")
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeGuard
from urllib.parse import urlsplit

from typing_extensions import Self

from tests.loopback import Loopback, Received

__all__ = ["Answer", "Bench", "Cut", "Delay", "Drip", "Fault", "Garble", "Part", "Plan", "Twice"]

Part: TypeAlias = Literal["request.head", "request.body", "answer.head", "answer.body"]
_END = b"\r\n\r\n"
_WITHOUT_BODY = (b"204", b"304")
_PIECE = 65536


@dataclass(frozen=True)
class Cut:
    """The connection ends. ``Cut("answer.body")`` is a truncated answer: its head is right and its body is short.

    Attributes:
        at: where. ``connection``: as soon as it is made. ``request``: the server hears nothing. ``sent``: the server
            has the request, and is not waited for. ``answer``: the server has answered, and nothing of that arrives.
            Or within a part of a message.
        byte: so many bytes of the part pass; None for half of them.
        reset: by RST, and not by FIN.
    """

    at: Literal["connection", "request", "sent", "answer"] | Part
    byte: int | None = None
    reset: bool = False


@dataclass(frozen=True)
class Delay:
    """Seconds pass before the request is handed on, or before its answer is."""

    seconds: float
    before: Literal["request", "answer"] = "answer"


@dataclass(frozen=True)
class Drip:
    """The answer comes in pieces, with a pause before each."""

    seconds: float
    size: int = 1


@dataclass(frozen=True)
class Answer:
    """The bench answers by itself, and the server hears nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"

    def told(self, *, head_only: bool) -> bytes:
        """The bytes of it."""
        fields = {"Content-Type": "application/json", "Content-Length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {self.status} Said So\r\n{head}\r\n".encode("latin-1") + (b"" if head_only else self.body)


@dataclass(frozen=True)
class Twice:
    """The server gets the request a second time, and its first answer is given; or the client gets the answer so."""

    what: Literal["request", "answer"] = "request"


@dataclass(frozen=True)
class Garble:
    """Bytes of the answer are replaced, from this one of the part on."""

    at: Literal["answer.head", "answer.body"] = "answer.body"
    byte: int = 0
    by: bytes = b"\xff"


Fault: TypeAlias = "Cut | Delay | Drip | Answer | Twice | Garble"


@dataclass
class Plan:
    """A fault, and the requests that meet it.

    Attributes:
        met: how many did.
    """

    fault: Fault
    on: str
    path: str
    holding: bytes
    nth: int
    times: int
    met: int = 0
    _seen: int = 0

    @property
    def live(self) -> bool:
        return self.met < self.times

    def takes(self, head: bytes, body: bytes) -> bool:
        """Counts a request, and tells whether it meets the fault."""
        line = head.partition(b"\r\n")[0]
        method, _, target = line.decode("latin-1").partition(" ")
        if self.on not in ("", method) or self.path not in target or self.holding not in line + body:
            return False
        return self.counts()

    def counts(self) -> bool:
        self._seen += 1
        hit = self.live and self._seen >= self.nth
        self.met += hit
        return hit


class Bench(Loopback):
    """The proxy: give clients its ``url`` instead of the server's.

    Parameters:
        url: the server's root.
        seconds: after these it closes by itself; ``expired`` tells.
        keep: whether to keep what passed: ``received`` is all that came, ``handed_on`` what the server got in full.
    """

    def __init__(self, url: str, *, seconds: float = 60.0, keep: bool = True) -> None:
        parts = urlsplit(url)
        self.server: tuple[str, int] = (parts.hostname or "", parts.port or 80)
        self.handed_on: list[Received] = []
        self.expired = False
        self._keep = keep
        self.plans: list[Plan] = []
        self._planning = threading.Lock()
        self._under_way = 0
        self._quiet = threading.Condition()
        self._watchdog = threading.Timer(seconds, self._expire)
        self._watchdog.daemon = True
        super().__init__()
        self._watchdog.start()

    def plan(
        self, fault: Fault, *, on: str = "", path: str = "", holding: bytes = b"", nth: int = 1, times: int = 1
    ) -> Plan:
        """Lets requests meet a fault: the ``nth`` of those that match, and the next, ``times`` in all.

        Parameters:
            fault: what happens to them; of several plans for one request the first counts. ``Cut("connection")`` is for
                connections, which have neither method nor path.
            on: their method.
            path: a part of their target.
            holding: bytes that stand in their first line or body; requests are read whole then, before they go on.
            nth: the first of them, from 1; each plan counts for itself.
            times: how many.
        """
        plan = Plan(fault, on, path, holding, nth, times)
        with self._planning:
            self.plans.append(plan)
        return plan

    def forget(self) -> None:
        """Drops what is planned and what was kept."""
        super().forget()
        self.plans.clear()
        self.handed_on.clear()

    def settle(self, seconds: float = 10.0) -> None:
        """Waits until the server has answered all that was handed on."""
        with self._quiet:
            assert self._quiet.wait_for(lambda: not self._under_way, seconds), "the server is still at work"

    def close(self) -> None:
        self._watchdog.cancel()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _expire(self) -> None:
        self.expired = True
        super().close()

    def _serve(self, plain: socket.socket, number: int) -> None:
        passage = _Passage(self, plain, number)
        with suppress(OSError):  # either side hung up, or the bench was closed
            if (cut := self._connection_cut()) is not None:
                passage.hang_up(cut)
            while cut is None and passage.exchange():
                pass
        passage.close()

    def _connection_cut(self) -> Cut | None:
        with self._planning:
            for plan in self.plans:
                if _of_connections(plan.fault) and plan.counts():
                    return plan.fault
        return None

    # What a passage asks for

    def looks_inside(self) -> bool:
        """Whether a fault may depend on a body."""
        return any(plan.holding and plan.live for plan in self.plans)

    def fault_for(self, head: bytes, body: bytes) -> Fault | None:
        with self._planning:
            for plan in self.plans:
                if not _of_connections(plan.fault) and plan.takes(head, body):
                    return plan.fault
        return None

    def keeps(self, log: list[Received], received: Received) -> None:
        if self._keep:
            log.append(received)

    def lets_pass(self) -> None:
        """Waits while answers are held back, from ``hold()`` to ``release()``."""
        self._free.wait()

    def begins(self, change: int) -> None:
        with self._quiet:
            self._under_way += change
            self._quiet.notify_all()

    def connected(self) -> socket.socket:
        upstream = socket.create_connection(self.server, 10)
        upstream.settimeout(None)
        self._connections.append(upstream)
        return upstream

    def waits(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise ConnectionAbortedError


def _of_connections(fault: Fault) -> TypeGuard[Cut]:
    return isinstance(fault, Cut) and fault.at == "connection"


class _Passage:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, bench: Bench, client: socket.socket, number: int) -> None:
        self._bench = bench
        self._client = _End(client)
        self._server: _End | None = None
        self._number = number

    def exchange(self) -> bool:
        """Lets one request and its answer pass; tells whether another may follow."""
        head = self._client.head()
        if not head:
            return False
        self._bench.begins(1)
        try:
            return self._exchange(_Message(head, self._client))
        finally:
            self._bench.begins(-1)

    def _exchange(self, request: _Message) -> bool:
        if self._bench.looks_inside():
            request.read()
        fault = self._bench.fault_for(request.head, request.body)
        if isinstance(fault, Answer) or (isinstance(fault, Cut) and fault.at == "request"):
            return self._keep_back(request.read(), fault)
        if isinstance(fault, Delay) and fault.before == "request":
            self._bench.waits(fault.seconds)
        cut = fault if isinstance(fault, Cut) else None
        server = self._server = self._server or _End(self._bench.connected())
        whole = _pass(request.parts(), server, request.offset(cut, "request"))
        self._note(self._bench.received, request)
        if not whole:
            self.hang_up(cut)
            server.hang_up(reset=cut is not None and cut.reset)
            return False
        self._note(self._bench.handed_on, request)
        if cut is not None and not cut.at.startswith("answer"):
            self.hang_up(cut)
        return self._hand_back(_Message(server.head(), server, to=request), fault)

    def _keep_back(self, request: _Message, fault: Answer | Cut) -> bool:
        self._note(self._bench.received, request)
        if isinstance(fault, Cut):
            return self.hang_up(fault)
        self._client.send(fault.told(head_only=request.method == b"HEAD"))
        return True

    def _hand_back(self, answer: _Message, fault: Fault | None) -> bool:
        if not answer.head:
            return False  # the server hung up
        self._bench.lets_pass()
        if isinstance(fault, Twice) and fault.what == "request":
            self._again(answer.to)
        if isinstance(fault, Delay) and fault.before == "answer":
            self._bench.waits(fault.seconds)
        if isinstance(fault, (Garble, Twice)):
            answer.read()
        if isinstance(fault, Garble):
            answer.garble(fault)
        if isinstance(fault, Cut):
            return self._cut_short(answer, fault)
        if isinstance(fault, Drip):
            self._drip(answer, fault)
        else:
            _pass(answer.parts(), self._client, None)
        if fault == Twice("answer"):
            self._client.send(answer.head + answer.body)
        return not (answer.last or (answer.to is not None and answer.to.last))

    def _cut_short(self, answer: _Message, cut: Cut) -> bool:
        if cut.at.startswith("answer."):
            _pass(answer.parts(), self._client, answer.offset(cut, "answer"))
        self.hang_up(cut)
        answer.read()  # so that the server is not cut too
        return False

    def _again(self, request: _Message | None) -> None:
        """The same request over another connection, with nobody to hear its answer."""
        if request is None:
            return
        other = _End(self._bench.connected())
        other.send(request.head + request.body)
        _Message(other.head(), other, to=request).read()
        other.close()

    def _drip(self, answer: _Message, drip: Drip) -> None:
        told = answer.read().head + answer.body
        for start in range(0, len(told), drip.size):
            self._bench.waits(drip.seconds)
            self._client.send(told[start : start + drip.size])

    def _note(self, log: list[Received], request: _Message) -> None:
        self._bench.keeps(log, Received(self._number, request.head[: -len(_END)], request.body))

    def hang_up(self, cut: Cut | None) -> bool:
        """Ends the client's connection as the cut says; False, because no request follows."""
        self._client.hang_up(reset=cut is not None and cut.reset)
        return False

    def close(self) -> None:
        for end in (self._client, self._server):
            if end is not None:
                end.close()


class _Message:
    """A request or an answer, as it comes: the head at once, the body in pieces, which it keeps."""

    def __init__(self, head: bytes, source: _End, *, to: _Message | None = None) -> None:
        self.head = head
        self.body = b""
        self.to = to
        self._rest = source.body(self)

    @property
    def method(self) -> bytes:
        return self.head.partition(b" ")[0]

    @property
    def last(self) -> bool:
        """Whether it says that the connection ends with it."""
        return self.header(b"connection").lower() == b"close" or b"HTTP/1.0" in self.head.partition(b"\r\n")[0]

    @property
    def bare(self) -> bool:
        """Whether it has no body, whatever its head says."""
        status = self.head[9:12]
        return self.to is not None and (self.to.method == b"HEAD" or status in _WITHOUT_BODY)

    def header(self, name: bytes) -> bytes:
        """Its value; empty where there is none."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name:
                return value.strip()
        return b""

    def read(self) -> _Message:
        """Waits for all of it."""
        for piece in self._rest:
            self.body += piece
        return self

    def parts(self) -> Iterator[bytes]:
        """What is there of it, and then what comes."""
        yield self.head
        yield self.body
        for piece in self._rest:
            self.body += piece
            yield piece

    def offset(self, cut: Cut | None, what: str) -> int | None:
        """After how many of its bytes the cut is, or None where none is in it."""
        if cut is None or not cut.at.startswith(f"{what}."):
            return None
        if cut.at.endswith(".head"):
            return len(self.head) // 2 if cut.byte is None else min(cut.byte, len(self.head))
        length = len(self.body) or int(self.header(b"content-length") or b"2")
        return len(self.head) + (length // 2 if cut.byte is None else cut.byte)

    def garble(self, how: Garble) -> None:
        """Replaces bytes of what was read."""
        name = how.at.partition(".")[2]
        told = bytearray(self.head if name == "head" else self.body)
        told[how.byte : how.byte + len(how.by)] = how.by
        setattr(self, name, bytes(told))


class _End:
    """One end of a connection, read by messages."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a body follows its head at once
        self._held = b""

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def head(self) -> bytes:
        """Up to and with the empty line; nothing where the other side hung up before."""
        while _END not in self._held:
            if not self._more():
                return b""
        end = self._held.index(_END) + len(_END)
        return self._taken(end)

    def body(self, message: _Message) -> Iterator[bytes]:
        """The body in the pieces that it comes in."""
        if not message.head or message.bare:
            return
        length = message.header(b"content-length")
        if message.header(b"transfer-encoding").lower() == b"chunked":
            yield from self._chunks()
        elif length:
            yield from self._bytes(int(length))
        elif message.to is not None:
            yield from iter(self._any, b"")  # an answer without a length ends with the connection

    def _chunks(self) -> Iterator[bytes]:
        size = -1
        while size:
            line = self._line()
            yield line
            size = int(line.split(b";")[0] or b"0", 16)
            yield from self._bytes(size + 2)

    def _bytes(self, missing: int) -> Iterator[bytes]:
        while missing > 0 and (piece := self._any(missing)):
            missing -= len(piece)
            yield piece

    def _line(self) -> bytes:
        while b"\r\n" not in self._held and self._more():
            pass
        return self._taken(self._held.find(b"\r\n") + 2)

    def _any(self, most: int = _PIECE) -> bytes:
        if not self._held:
            self._more()
        return self._taken(most)

    def _taken(self, number: int) -> bytes:
        taken, self._held = self._held[:number], self._held[number:]
        return taken

    def _more(self) -> bool:
        received = self._connection.recv(_PIECE)
        self._held += received
        return bool(received)

    def hang_up(self, *, reset: bool) -> None:
        with suppress(OSError):
            if reset:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                # What came and was not read would make an RST of a close.
                self._connection.shutdown(socket.SHUT_WR)
                self._connection.settimeout(1)
                while self._connection.recv(_PIECE):
                    pass
        self.close()

    def close(self) -> None:
        self._connection.close()


def _pass(parts: Iterable[bytes], target: _End, stop: int | None) -> bool:
    """Hands bytes on, up to ``stop`` of them; tells whether that was all."""
    for part in parts:
        if stop is not None and len(part) > stop:
            target.send(part[:stop])
            return False
        target.send(part)
        stop = None if stop is None else stop - len(part)
    return True
