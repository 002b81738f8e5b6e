"""Groups: named sets of principals (https://docs.kinto-storage.org/en/stable/api/1.x/groups.html)."""

from __future__ import annotations

from typing import ClassVar

from kinto_models.errors import DeclarationError
from kinto_models.models.options import Options
from kinto_models.models.resource import Resource
from kinto_models.models.stored import state_of
from kinto_models.protocol.paths import groups

__all__ = ["Group"]


class Group(Resource):
    """A group of a bucket. A declared one says where it is: ``class Editors(Group, bucket="blog", group="editors")``.

    Attributes:
        members: principals, in Kinto's words. Neither groups nor ``system.Everyone`` can be members.
    """

    __kinto__: ClassVar[Options] = Options("group")

    members: list[str] = []

    @property
    def principal(self) -> str:
        """The group as a principal, to be granted permissions.

        Raises:
            DeclarationError: the bucket is not known: neither does the class name it nor was the group read.
        """
        bound = state_of(self).objects
        bucket = (bound.bucket if bound else None) or type(self).__kinto__.bucket
        if bucket is None:
            raise DeclarationError(
                f"{type(self).__name__} names no bucket: declare it, or save or read the group first"
            )
        return groups(bucket).object(self.id)
