"""An authentication policy of Kinto, for servers under test, that knows nobody and takes its time.

It notes each check of a user ``slow`` in the file ``checked``, and is done once the file ``known`` is there.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

_SECONDS = 30


class Policy:
    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def authenticated_userid(self, request: Any) -> None:
        from pyramid.authentication import extract_http_basic_credentials

        said = extract_http_basic_credentials(request)
        if said is not None and said.username == "slow":
            with (self._folder / "checked").open("a") as file:
                file.write(f"{said.password}\n")
            until = time.monotonic() + _SECONDS
            while not (self._folder / "known").exists() and time.monotonic() < until:
                time.sleep(0.01)

    def effective_principals(self, request: Any) -> list[str]:  # pyramid_multiauth asks for both
        return []

    def forget(self, request: Any) -> list[Any]:  # see above
        return []
