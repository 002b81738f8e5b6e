"""A proxy that stands between a client and a real server, and lets some requests meet what a test says."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from tests.loopback import Loopback, Received, _read

Fault: TypeAlias = Literal["answer", "cut", "lose"]
"""``answer``: the proxy answers by itself, and the server hears nothing. ``cut``: the connection is cut, and the server
hears nothing. ``lose``: the server carries the request out, and its answer never arrives.
"""


@dataclass
class _Rule:
    fault: Fault
    holding: bytes
    skip: int
    times: int
    answer: bytes = b""


class Proxy(Loopback):
    """Hands on what it receives, and keeps it: ``received`` is all that came, ``handed_on`` what the server got."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = parts.hostname or "", parts.port or 80
        self._rules: list[_Rule] = []
        self.handed_on: list[Received] = []
        super().__init__()

    def fails(
        self,
        status: int,
        *,
        holding: bytes = b"",
        skip: int = 0,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"{}",
    ) -> None:
        """Answers the requests whose line or body holds these bytes by itself; ``skip`` the first of them."""
        fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        raw = f"HTTP/1.1 {status} Said So\r\n{head}\r\n".encode() + body
        self._rules.append(_Rule("answer", holding, skip, times, raw))

    def cuts(self, *, holding: bytes = b"", skip: int = 0, times: int = 1) -> None:
        """Cuts the connection at these requests, and does not hand them on."""
        self._rules.append(_Rule("cut", holding, skip, times))

    def loses(self, *, holding: bytes = b"", skip: int = 0, times: int = 1) -> None:
        """Hands these requests on, and cuts the connection instead of answering."""
        self._rules.append(_Rule("lose", holding, skip, times))

    def forget(self) -> None:
        super().forget()
        self._rules.clear()
        self.handed_on.clear()

    def _answer(self, connection: socket.socket, number: int) -> bool:
        request = _read(connection, number)
        if request is None:
            return False
        self.received.append(request)
        rule = self._rule_for(request)
        if rule is not None and rule.fault == "answer":
            connection.sendall(rule.answer)
            return True
        if rule is None or rule.fault == "lose":
            answer = self._hand_on(request)
            if rule is None:
                connection.sendall(answer)
                return True
        return False  # hangs up

    def _rule_for(self, request: Received) -> _Rule | None:
        for rule in self._rules:
            if rule.times and (rule.holding in request.body or rule.holding in request.line.encode()):
                if rule.skip:
                    rule.skip -= 1
                else:
                    rule.times -= 1
                    return rule
        return None

    def _hand_on(self, request: Received) -> bytes:
        self.handed_on.append(request)
        method, target, _ = request.line.split(" ")
        upstream = HTTPConnection(*self._server, timeout=10)
        try:
            # The head as it came: with the client's Host, so that the server's addresses lead through here too.
            upstream.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(request.body or None)
            answer = upstream.getresponse()
            body = answer.read()
            fields = [(n, v) for n, v in answer.getheaders() if n.lower() not in ("connection", "transfer-encoding")]
            if not answer.getheader("Content-Length") and answer.status not in (204, 304):
                fields.append(("Content-Length", str(len(body))))
            head = "".join(f"{name}: {value}\r\n" for name, value in fields)
            return f"HTTP/1.1 {answer.status} {answer.reason}\r\n{head}\r\n".encode("latin-1") + body
        finally:
            upstream.close()
