"""What a user may do where, as the server lists it (``GET /permissions`` of Kinto, an experiment of its own)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict

from kinto_models.models.fields import FieldsOnClass

__all__ = ["PermissionEntry"]


class PermissionEntry(FieldsOnClass):
    """An object on which the client's user holds permissions, or ``/`` for what may be done at the top.

    It has no timestamp and no id of its own: ``uri`` is what is unique. Read only; what is not declared is kept in
    ``model_extra``.

    Attributes:
        uri: the object's path, such as ``/buckets/blog/collections/articles``.
        resource_name: its kind: ``root``, ``bucket``, ``collection``, ``group``, ``record``, ``account``.
        permissions: what may be done with it, by its own permissions and the server's settings, what they include
            as well: ``read`` comes with ``write``. What is inherited from a parent is not there:
            ``effective_permissions()`` has that.
        bucket_id: of the bucket that it is, or is in.
        collection_id: of the collection that it is, or is in.
        group_id: of the group that it is.
        record_id: of the record that it is.
        account_id: of the account that it is.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True)

    uri: str
    resource_name: str
    permissions: frozenset[str] = frozenset()
    bucket_id: str | None = None
    collection_id: str | None = None
    group_id: str | None = None
    record_id: str | None = None
    account_id: str | None = None
