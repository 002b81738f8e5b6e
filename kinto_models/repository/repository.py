"""Repositories: the objects of one class in one place. One line a method, over the conversations."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

from kinto_models.models.expressions import Condition
from kinto_models.models.interface import Objects, SaveResult
from kinto_models.models.stored import Stored
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Query as Wire
from kinto_models.repository import reads, writes
from kinto_models.repository.mapper import Mapper
from kinto_models.repository.places import place_of
from kinto_models.repository.query import Query, delete_pages
from kinto_models.repository.runner import Runner

__all__ = ["Repository"]

R = TypeVar("R", bound=Stored)
S = TypeVar("S", bound=Stored)


class Repository(Objects[R], Generic[R]):
    """The objects of one class in one place: reads them, and writes them under their ETags.

    Get one from a client: ``client.repository(Task)``. Does no I/O by itself, and is safe to share between threads.
    """

    def __init__(
        self, runner: Runner, model: type[R], bucket: str | None = None, collection: str | None = None
    ) -> None:
        self._runner = runner
        self._mapper: Mapper[R] = Mapper(model, place_of(model, bucket, collection), self)
        self._bucket = bucket if bucket is not None else model.__kinto__.bucket
        self._collection = collection if collection is not None else model.__kinto__.collection

    @property
    def model(self) -> type[R]:
        return self._mapper.model

    @property
    def url(self) -> str:
        return self._runner.transport.root + self._mapper.place.path

    @property
    def bucket(self) -> str | None:
        return self._bucket

    @property
    def collection(self) -> str | None:
        return self._collection

    def get(self, object_id: str) -> R:
        return self._runner.converse(reads.get(self._mapper, object_id))

    def get_or_none(self, object_id: str) -> R | None:
        return self._runner.converse(reads.get_or_none(self._mapper, object_id))

    def get_or_create(self, obj: R) -> tuple[R, bool]:
        return self._runner.converse(writes.get_or_create(self._mapper, obj))

    def create(self, obj: R) -> R:
        self._runner.converse(writes.create(self._mapper, obj))
        return obj

    def upsert(self, obj: R) -> SaveResult:
        return self._runner.converse(writes.upsert(self._mapper, obj))

    def save(self, obj: R, *, force: bool = False) -> SaveResult:
        return self._runner.converse(writes.save(self._mapper, obj, force=force))

    def replace(self, obj: R, *, force: bool = False) -> SaveResult:
        return self._runner.converse(writes.replace(self._mapper, obj, force=force))

    @overload
    def patch(self, target: R, /, **changes: Any) -> SaveResult: ...
    @overload
    def patch(self, target: str, /, **changes: Any) -> R: ...
    def patch(self, target: R | str, /, **changes: Any) -> SaveResult | R:
        if isinstance(target, str):
            return self._runner.converse(writes.patch_by_id(self._mapper, target, changes))
        return self._runner.converse(writes.patch(self._mapper, target, changes))

    def delete(self, target: R | str, *, force: bool = False, missing_ok: bool = False) -> bool:
        return self._runner.converse(writes.delete(self._mapper, target, force=force, missing_ok=missing_ok))

    def delete_all(self) -> int:
        return delete_pages(self._runner, self._mapper.place, Wire())

    def refresh(self, obj: R) -> bool:
        return self._runner.converse(writes.refresh(self._mapper, obj))

    def find(self, *conditions: Condition | bool) -> Query[R]:
        return Query(self._runner, self._mapper.place, self, self.model).where(*conditions)

    def count(self) -> int:
        return self._runner.run(operations.count(self._mapper.place, Wire()))

    def timestamp(self) -> int:
        return self._runner.run(operations.get_timestamp(self._mapper.place))

    def sibling(self, model: type[S], *, bucket: str | None = None, collection: str | None = None) -> Repository[S]:
        return Repository(self._runner, model, bucket if bucket is not None else self._bucket, collection)

    def __repr__(self) -> str:
        return f"<Repository of {self.model.__name__} at {self._mapper.place.path}>"
