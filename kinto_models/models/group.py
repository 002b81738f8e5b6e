"""Groups: named sets of principals (https://docs.kinto-storage.org/en/stable/api/1.x/groups.html)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_serializer, field_validator

from kinto_models.models.options import Options
from kinto_models.models.principals import EVERYONE, group_principal, known
from kinto_models.models.resource import Resource
from kinto_models.models.stored import state_of

__all__ = ["Group"]


class Group(Resource):
    """A group of a bucket. A declared one says where it is: ``class Editors(Group, bucket="blog", group="editors")``.

    Attributes:
        members: principals, such as ``Account("bob")``. Neither groups nor ``EVERYONE`` can be members.
    """

    __kinto__: ClassVar[Options] = Options("group")

    members: set[str] = set()

    @field_validator("members")
    @classmethod
    def _refuse_what_kinto_refuses(cls, members: set[str]) -> set[str]:
        for member in members:
            if member.startswith("/buckets/"):
                raise ValueError(f"{member!r} is a group, and no group is a member of another: grant it by itself")
            if member == EVERYONE:
                raise ValueError(f"{EVERYONE!r} is no member of a group: grant the permission to EVERYONE itself")
            if not member or any(character.isspace() for character in member):
                raise ValueError(f"{member!r} is no principal: it is empty or has a space")
        return members

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
