"""Groups: named sets of principals (https://docs.kinto-storage.org/en/stable/api/1.x/groups.html)."""

from __future__ import annotations

from typing import ClassVar

from kinto_models.models.options import Options
from kinto_models.models.principals import group_principal
from kinto_models.models.resource import Resource
from kinto_models.models.stored import state_of

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
            DeclarationError: the bucket is not known, because neither does the class name it nor was the group read; or
                it is the default bucket, which has another id for each user.
        """
        bound = state_of(self).objects
        bucket = (bound.bucket if bound else None) or type(self).__kinto__.bucket
        return group_principal(bucket, self.id, type(self).__name__)
