"""What is stored: a record of nine fields, one of them nested, for each side in its own words."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel

from kinto_models import Record

BUCKET, COLLECTION = "bench", "tasks"


class Author(BaseModel):
    name: str
    email: str


class Task(Record, bucket=BUCKET, collection=COLLECTION):
    title: str
    notes: str
    priority: int
    weight: float
    done: bool
    due: date
    tags: list[str]
    editors: list[str]
    author: Author


class PlainTask(BaseModel):
    """The same for pydantic alone."""

    id: str
    last_modified: int
    title: str
    notes: str
    priority: int
    weight: float
    done: bool
    due: date
    tags: list[str]
    editors: list[str]
    author: Author


class PlainPage(BaseModel):
    data: list[PlainTask]


def fields(number: int) -> dict[str, Any]:
    """The JSON of one record's own fields."""
    return {
        "title": f"Write page {number} of the docs",
        "notes": "What it does, what it takes, what it gives back, what it raises.",
        "priority": number % 5,
        "weight": number / 8,
        "done": number % 3 == 0,
        "due": f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "tags": ["docs", f"page-{number % 7}"],
        "editors": ["ada@example.com", "grace@example.com"],
        "author": {"name": "Ada Lovelace", "email": "ada@example.com"},
    }


def stored(number: int) -> dict[str, Any]:
    """The same as a server tells it."""
    return {**fields(number), "id": identity(number), "last_modified": 1_700_000_000_000 + number}


def identity(number: int) -> str:
    """Its id."""
    return f"{number:08}-0000-4000-8000-000000000000"


def task(number: int) -> Task:
    """The same as an instance that was never saved."""
    return Task.model_validate({**fields(number), "id": identity(number)})
