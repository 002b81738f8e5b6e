"""Groups: named sets of principals (https://docs.kinto-storage.org/en/stable/api/1.x/groups.html)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ValidationInfo, field_serializer

from kinto_models.models.historic import Historic
from kinto_models.models.options import Options
from kinto_models.models.principals import EVERYONE, group_principal, known, refuse_blanks
from kinto_models.models.stored import state_of

__all__ = ["Group"]


def _check_member(member: str) -> None:
    """Refuses what Kinto takes for no member of a group.

    Raises:
        ValueError: it does.
    """
    if member.startswith("/buckets/"):
        raise ValueError(f"{member!r} is a group, and no group is a member of another: grant it by itself")
    if member == EVERYONE:
        raise ValueError(f"{EVERYONE!r} is no member of a group: grant the permission to EVERYONE itself")
    refuse_blanks(member)


def _check_members(members: list[str]) -> None:
    for member in members:
        _check_member(member)


def _written(member: str, info: ValidationInfo) -> str:
    if info.mode == "python":  # what others stored can be read
        _check_member(member)
    return member


class Group(Historic):
    """A group of a bucket. A declared one says where it is: ``class Editors(Group, bucket="blog", group="editors")``.

    Attributes:
        members: principals, such as ``Account("bob")``. Neither groups nor ``EVERYONE`` can be members.
    """

    __kinto__: ClassVar[Options] = Options("group")
    __kinto_checks__: ClassVar[Mapping[str, Callable[[Any], None]]] = {"members": _check_members}

    members: set[Annotated[str, AfterValidator(_written)]] = set()

    @field_serializer("members")
    def _in_order(self, members: set[str]) -> list[str]:
        return sorted(members)

    @property
    def principal(self) -> str:
        """The group as a principal, to be granted permissions.

        Raises:
            DeclarationError: the bucket is not known, because neither does the class name it nor was the group read; or
                it is the default bucket, whose real id the client was not told: ``client.server_info()`` asks for it.
        """
        return known(self._principal())

    def _principal(self) -> str:
        bound = state_of(self).objects
        bucket = (bound.bucket if bound else None) or type(self).__kinto__.bucket
        return group_principal(bucket, self.id, type(self).__name__, bound._facts if bound else None)
