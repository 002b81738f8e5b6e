"""A small provider of OpenID Connect: whoever comes is signed in at once, as ``alice``, or told off."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from kinto_models.embedded import _SETTINGS

__all__ = ["SUBJECT", "Provider"]

_CLIENT: Final = ("kinto", "the secret of kinto")
SUBJECT: Final = "alice@example.com"


class Provider:
    """Runs until it is closed.

    Attributes:
        url: the issuer.
        lifetime: ``expires_in`` of what it gives; left out where it is None.
        denies: the parameters with which it refuses whoever comes, or None.
        gives: what the token endpoint answers instead of a token, or None.
        tokens: all that it gave, in order.
        valid: those that it still vouches for.
        asked: the query of each login that began.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """As it was in the beginning."""
        self.lifetime: Any = 3600
        self.denies: dict[str, str] | None = None
        self.gives: bytes | None = None
        self.tokens: list[str] = []
        self.valid: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self._codes: set[str] = set()

    def settings(self, name: str, **more: str) -> dict[str, str]:
        """Those that Kinto needs to trust it, under a name."""
        own = {
            "use": "kinto.plugins.openid.OpenIDConnectPolicy",
            "issuer": self.url,
            "client_id": _CLIENT[0],
            "client_secret": _CLIENT[1],
            "userid_field": "email",
            "verification_ttl_seconds": "0",  # so that Kinto asks for each request whether the token is valid
            **more,
        }
        return {
            "kinto.includes": f"{_SETTINGS['kinto.includes']} kinto.plugins.openid",
            "multiauth.policies": f"{name} account",
            **{f"multiauth.policy.{name}.{key}": value for key, value in own.items()},
        }

    def revoke(self) -> None:
        """Vouches for none of what it gave any more."""
        self.valid.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def authorize(self, query: dict[str, str]) -> str:
        """Where whoever comes with this query goes next."""
        self.asked.append(query)
        assert query["client_id"] == _CLIENT[0]
        assert query["response_type"] == "code"
        if self.denies is not None:
            return f"{query['redirect_uri']}?{urlencode({'state': query['state'], **self.denies})}"
        with self._lock:
            code = f"code-{len(self.asked)}"
            self._codes.add(code)
        return f"{query['redirect_uri']}?{urlencode({'state': query['state'], 'code': code})}"

    def token(self, form: dict[str, str]) -> bytes:
        """What a code is traded for."""
        assert (form["client_id"], form["client_secret"]) == _CLIENT
        assert form["grant_type"] == "authorization_code"
        if self.gives is not None:
            return self.gives
        with self._lock:
            self._codes.remove(form["code"])
            token = f"s3cret/{len(self.tokens) + 1}+{token_urlsafe(4)}=?>"  # base64 of it has all that is quoted
            self.tokens.append(token)
            self.valid.add(token)
        told = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime, "id_token": "a.b.c"}
        return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            at = self.provider.url
            self._say(
                {
                    "issuer": at,
                    "authorization_endpoint": f"{at}/authorize",
                    "token_endpoint": f"{at}/token",
                    "userinfo_endpoint": f"{at}/userinfo",
                    "jwks_uri": f"{at}/jwks",
                }
            )
        elif parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(dict(parse_qsl(parts.query))))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path == "/userinfo":
            token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            known = token in self.provider.valid
            self._say({"sub": "1", "email": SUBJECT} if known else {"error": "invalid_token"}, 200 if known else 401)
        else:
            self._say({"keys": []} if parts.path == "/jwks" else {}, 200 if parts.path == "/jwks" else 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._say(self.provider.token(dict(parse_qsl(body))))

    def _say(self, told: object, status: int = 200) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as http.server has it
        pass
