"""The server's address and the credentials as a command line and the environment hold them: shown nowhere."""

from __future__ import annotations

import getpass
import sys
import warnings
from typing import TYPE_CHECKING, Final

from typing_extensions import Self

from kinto_models.errors import NoClientError
from kinto_models.protocol.words import plain
from kinto_models.transports.address import Address

if TYPE_CHECKING:
    from kinto_models.transports.browser import BrowserOAuth

__all__ = ["Credentials", "ServerAddress", "Variable"]


class Variable(str):
    """The content of an environment variable, which is shown as the name of it."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str, content: str) -> Self:  # noqa: D102  # the class says it
        self = super().__new__(cls, content)
        self.name = name
        return self

    def __str__(self) -> str:
        return f"${self.name}"

    __repr__ = __str__

    @property
    def content(self) -> str:
        """The content itself."""
        return str.__str__(self)


_SCHEMES: Final = ("basic", "bearer", "token")


class Credentials:
    """What ``--auth`` was given: a user and a password, a user alone, a scheme and a token, or the browser.

    Parameters:
        text: ``user:password``, ``user`` or ``Bearer token``; or ``browser``, or ``browser provider``. Which it is, its
            first word says: a token may have colons, a password spaces.

    Attributes:
        variable: the environment variable that it comes from, or None.

    Raises:
        ValueError: nothing; or a scheme without a token, such as where the quotes were forgotten.
    """

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ValueError("it is empty: USER:PASSWORD, or USER, or 'Bearer TOKEN', or browser")
        if text.strip().lower() in _SCHEMES:
            raise ValueError("a token is written after its scheme, in quotes: 'Bearer TOKEN'")
        self.variable: str | None = text.name if isinstance(text, Variable) else None
        self._text = text.content if isinstance(text, Variable) else text

    def known(self) -> str | BrowserOAuth:
        """What a client takes as ``auth``, once the password is known: asked for on the terminal, not echoed.

        Raises:
            NoClientError: no password was given, and there is nobody to ask.
        """
        first, _, rest = self._text.partition(" ")
        if first == "browser":
            from kinto_models.transports.browser import BrowserOAuth  # few sign in by one

            return BrowserOAuth(rest.strip() or None)
        if ":" in first or first != self._text:
            return self._text
        return f"{self._text}:{_asked(self._text)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


def _asked(user: str) -> str:
    try:
        with warnings.catch_warnings():
            # Python would read it all the same, and show what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"Password of {plain(user)}: ")
    except KeyboardInterrupt:
        sys.stderr.write("\n")  # the prompt stands there still
        raise
    except EOFError:
        sys.stderr.write("\n")
        raise NoClientError(f"no password was typed for {plain(user)}") from None
    except getpass.GetPassWarning:
        raise NoClientError(
            f"there is no password for {plain(user)}, and no terminal to ask for it: give it as USER:PASSWORD"
        ) from None


class ServerAddress(str):
    """A server's root, as text without the credentials that it was written with.

    Attributes:
        credentials: those, or None.
        variable: the environment variable that it comes from, or None.

    Raises:
        ValueError: not an address.
    """

    __slots__ = ("credentials", "variable")
    credentials: Credentials | None
    variable: str | None

    def __new__(cls, url: str) -> Self:  # noqa: D102  # the class says it
        if isinstance(url, cls):
            return url
        address = Address.parse(url)
        self = super().__new__(cls, address.root)
        user, password = address.userinfo or ("", "")
        self.credentials = Credentials(f"{user}:{password}" if password else user) if user else None
        self.variable = url.name if isinstance(url, Variable) else None
        return self
