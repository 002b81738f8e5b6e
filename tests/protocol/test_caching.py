"""How long a Cache-Control header lets an answer be kept."""

from __future__ import annotations

import pytest

from kinto_models.protocol.caching import max_age_of


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("max-age=60", 60),
        ("public, max-age=60, must-revalidate", 60),
        ('private,MAX-AGE="5"', 5),
        ("max-age=0", 0),
        ("no-cache, no-store", 0),
        ("max-age=60, no-store", 0),
        ("No-Cache", 0),
        ('no-cache="Set-Cookie", max-age=60', 0),
        ("s-maxage=60", None),
        ("max-age=-1", None),
        ("max-age=soon", None),
        ("max-age=99999999999", None),
        ("x-no-store-x, max-age=3", 3),
    ],
)
def test_what_a_header_allows(header: str | None, seconds: int | None) -> None:
    assert max_age_of(header) == seconds
