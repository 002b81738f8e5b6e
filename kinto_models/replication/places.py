"""What is replicated, and from where to where.

Objects are read and written as what is stored, and not as a class sees them: a class may leave out what it does not
declare, take other ids, and have hooks of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kinto_models.models.ids import UUID4Ids
from kinto_models.models.options import Kind, Options
from kinto_models.models.permissions import BucketPermissions, CollectionPermissions
from kinto_models.models.resource import Resource, place_of
from kinto_models.models.stored import permissions_of
from kinto_models.repository.conversations.selection import Selection
from kinto_models.repository.mapper import Mapper
from kinto_models.repository.repository import AsyncRepository, Placed

__all__ = ["Copy", "Pair", "Place", "pair_of"]


class _AnyIds(UUID4Ids):
    """Of servers with whatever settings: the origin's ids are ids."""

    pattern: str = "[^/]+"


class Copy(Resource, ids=_AnyIds()):
    """An object as it is stored: it declares nothing."""


class _Bucket(Copy):
    __kinto__: ClassVar[Options] = Options("bucket", ids=Copy.__kinto__.ids)

    @property
    def permissions(self) -> BucketPermissions:
        return permissions_of(self, BucketPermissions)


class _Collection(Copy):
    __kinto__: ClassVar[Options] = Options("collection", ids=Copy.__kinto__.ids)

    @property
    def permissions(self) -> CollectionPermissions:
        return permissions_of(self, CollectionPermissions)


class _Group(Copy):
    __kinto__: ClassVar[Options] = Options("group", ids=Copy.__kinto__.ids)


_COPIES: Final[dict[Kind, type[Copy]]] = {"bucket": _Bucket, "collection": _Collection, "group": _Group, "record": Copy}


@dataclass(frozen=True, slots=True)
class Place:
    """A list of objects on a server, read and written as it is stored.

    Attributes:
        objects: its repository, of either kind.
    """

    objects: Placed[Copy]

    @classmethod
    def of(cls, objects: Placed[Any]) -> Place:
        """The same list as a repository's."""
        options = objects.model.__kinto__
        model: Any = _COPIES[options.kind]
        if options.path is not None:
            model = type(model.__name__, (model,), {}, path=options.path)
        return cls(type(objects)(objects._runner, model, objects.bucket, objects.collection))

    def below(self, kind: Kind, object_id: str) -> Place:
        """The list of this kind that is in one of the objects here."""
        bucket, collection = (object_id, None) if self.kind == "bucket" else (self.objects.bucket, object_id)
        return Place(type(self.objects)(self.runner, _COPIES[kind], bucket, collection))

    def under(self, bucket: str) -> Place:
        """The same list, that of the default bucket under its real id: there nothing is made by being asked for."""
        if self.objects.bucket != "default":
            return self
        return Place(type(self.objects)(self.runner, self.objects.model, bucket, self.objects.collection))

    def all(self) -> Selection[Copy]:
        """All objects here, the latest change last."""
        return Selection[Copy](self.runner, self.mapper.place, self.objects, self.objects.model).sort("last_modified")

    @property
    def kind(self) -> Kind:
        """Of the objects."""
        return self.objects.model.__kinto__.kind

    @property
    def mapper(self) -> Mapper[Copy]:
        """Theirs."""
        return self.objects._mapper

    @property
    def runner(self) -> Any:
        """That of the client."""
        return self.objects._runner

    @property
    def awaited(self) -> bool:
        """Whether it is that of an async client."""
        return isinstance(self.objects, AsyncRepository)

    @property
    def path(self) -> str:
        """Of the list."""
        return self.mapper.place.path

    def uri(self, object_id: str) -> str:
        """The path of an object."""
        return self.mapper.place.object(object_id)


@dataclass(frozen=True, slots=True)
class Pair:
    """From where to where: all of two lists, or one object with what is in it.

    Attributes:
        origin: the list that is read.
        destination: the one that is written.
        ids: of the object, there and here; None for all of them.
    """

    origin: Place
    destination: Place
    ids: tuple[str, str] | None


def pair_of(origin: Any, destination: Any, *, awaited: bool) -> Pair:
    """What the two arguments of ``replicate()`` mean.

    Raises:
        TypeError: nothing that can be replicated, or no two of a kind.
        ValueError: the same twice.
    """
    (here, one, model), (there, other, onto) = (_read(each, awaited=awaited) for each in (origin, destination))
    if (here.kind, one is None, model) != (there.kind, other is None, onto):
        raise TypeError(f"{_called(origin)} cannot be made of {_called(destination)}: name two of a kind")
    if (here.objects.url, one) == (there.objects.url, other):
        raise ValueError(f"{here.objects.url}{'' if one is None else f'/{one}'} is both origin and destination")
    return Pair(here, there, None if one is None or other is None else (one, other))


def _read(what: Any, *, awaited: bool) -> tuple[Place, str | None, type[Any] | None]:
    """The list, the id of the object in it, and the class where that must be the same."""
    one = isinstance(what, Resource)
    objects: Any = place_of(what) if one else what
    if not isinstance(objects, Placed) or (not one and objects.model.__kinto__.kind == "bucket"):
        raise TypeError(f"{_called(what)} cannot be replicated: name a bucket, a collection, a group or a repository")
    if getattr(objects, "awaited", None) is not awaited:
        other = "a blocking Client: replicate() takes it" if awaited else "an AsyncClient: await areplicate()"
        raise TypeError(f"{_called(what)} belongs to {other}")
    return Place.of(objects), what.id if one else None, None if one else objects.model


def _called(what: Any) -> str:
    return f"{type(what).__name__} {what.id!r}" if isinstance(what, Resource) else repr(what)
