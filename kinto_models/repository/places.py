"""Where a class's objects are: its plural endpoint, from what the class and the caller say."""

from __future__ import annotations

from kinto_models.errors import DeclarationError
from kinto_models.models.options import Options
from kinto_models.models.stored import Stored
from kinto_models.protocol.paths import Plural, buckets, collections, custom, groups, records

__all__ = ["place_of"]


def place_of(model: type[Stored], bucket: str | None, collection: str | None) -> Plural:
    """The plural endpoint of a class's objects.

    Raises:
        DeclarationError: neither the class nor the caller names the bucket, or the collection, that they are in.
        InvalidIdError: what was named is not an id.
    """
    if not (isinstance(model, type) and issubclass(model, Stored)):
        raise DeclarationError(f"{model!r} is not a Record, Bucket, Collection or Group class")
    options = model.__kinto__
    pattern = options.ids.pattern
    if options.path is not None:
        if bucket is not None or collection is not None:
            raise DeclarationError(
                f"{model.__name__} has a path of its own, so no bucket or collection can be named for it"
            )
        return custom(options.path, pattern)
    if options.kind == "bucket":
        return buckets(pattern)
    parent = _named(model, options, "bucket", bucket)
    if options.kind == "group":
        return groups(parent, pattern)
    if options.kind == "collection":
        return collections(parent, pattern)
    return records(parent, _named(model, options, "collection", collection), pattern)


def _named(model: type[Stored], options: Options, part: str, given: str | None) -> str:
    name: str | None = given if given is not None else getattr(options, part)
    if name is None:
        raise DeclarationError(
            f"{model.__name__} does not say which {part} its objects are in: write "
            f'class {model.__name__}(..., {part}="..."), or repository({model.__name__}, {part}="...")'
        )
    return name
