"""The countries of the world as typed records in a real Kinto server, one step at a time.

Run it with ``make demo``. The data are the 249 countries of ISO 3166-1, and the subdivisions (ISO 3166-2) of a few, as
the package pycountry has them: real names with diacritics, and gaps where a country has no other name.
"""

from __future__ import annotations

from itertools import count

import pycountry
from pydantic import BaseModel, Field

from kinto_models import (
    Account,
    Bucket,
    Client,
    Collection,
    ConflictError,
    Group,
    NotFoundError,
    Record,
    col,
)

# 1. Declare what is stored, and where. Ids are codes here; by default they would be random UUIDs.


class Atlas(Bucket, bucket="atlas"):
    """Everything is in here."""

    title: str = "Countries and their parts"


class Editors(Group, bucket=Atlas, group="editors"):
    """Who may write."""


class Countries(Collection, bucket=Atlas, collection="countries"):
    """ISO 3166-1."""


class Subdivisions(Collection, bucket=Atlas, collection="subdivisions"):
    """ISO 3166-2."""


class Names(BaseModel):
    """A value inside a record: stored as a sub-object."""

    short: str
    official: str | None = None
    common: str | None = None


class Country(Record, collection=Countries, readonly=("numeric",)):
    """A record; ``numeric`` is fixed once it is created."""

    names: Names
    alpha_3: str = Field(pattern="^[A-Z]{3}$")
    numeric: int = Field(ge=1, le=999)
    flag: str
    tags: list[str] = []


class Subdivision(Record, collection=Subdivisions):
    """A part of a country."""

    name: str
    country: str
    kind: str
    parent: str | None = None


class Flag(BaseModel):
    """What a list of flags needs of a country: nothing else is asked for."""

    flag: str
    alpha_3: str


SHOWN = ("CZ", "NO", "CI")
_steps = count(1)


def step(text: str) -> None:
    print(f"\n{next(_steps)}. {text}")


def show(code: str, result: object) -> None:
    print(f"     {code}\n       -> {result}")


def prepare() -> None:
    step("A declared bucket with two collections, and a group that may write them")
    show("Atlas().save()", Atlas().save())
    editors = Editors(members={"account:ada", "account:bob"})
    editors.save()
    for collection in (Countries(), Subdivisions()):
        collection.permissions.write.add(editors)
        collection.save()
        show(f"{type(collection).__name__}().permissions (who may write may read)", collection.permissions)


def publish() -> None:
    step("The real data, one typed record each; a value that does not fit is refused before any request")
    for entry in pycountry.countries:
        Country(
            id=entry.alpha_2,
            names=Names(
                short=entry.name,
                official=getattr(entry, "official_name", None),
                common=getattr(entry, "common_name", None),
            ),
            alpha_3=entry.alpha_3,
            numeric=int(entry.numeric),
            flag=entry.flag,
        ).save()
    for code in SHOWN:
        for part in (entry for entry in pycountry.subdivisions if entry.country_code == code):
            Subdivision(
                id=part.code, name=part.name, country=code, kind=part.type, parent=part.parent_code or None
            ).save()
    show("Country.find().count()", Country.find().count())
    show("Subdivision.find().count()", Subdivision.find().count())
    try:
        Country(names=Names(short="Nowhere"), alpha_3="nowhere", numeric=0, flag="")
    except ValueError as error:
        show('Country(alpha_3="nowhere", numeric=0, ...)', " ".join(str(error).splitlines()[:3]))


def find() -> None:
    step("Found by typed conditions, on sub-fields too, and sorted by the server: a misspelt field is an error")
    islands = Country.find(col(Country.names.short).like("*island*"), Country.numeric < 300).sort(Country.names.short)
    show(
        'Country.find(col(Country.names.short).like("*island*"), Country.numeric < 300).sort(Country.names.short)',
        ", ".join(country.names.short for country in islands),
    )
    known = Country.find(Country.names.common != None).sort("id")  # noqa: E711
    show('Country.find(Country.names.common != None).sort("id").limit(4)', [each.id for each in known.limit(4)])
    regions = Subdivision.find(Subdivision.country == "CZ", col(Subdivision.kind).in_("Region", "Capital city"))
    show(
        'Subdivision.find(Subdivision.country == "CZ", col(Subdivision.kind).in_("Region", "Capital city"))',
        ", ".join(part.name for part in regions.sort(Subdivision.name).limit(4)) + ", ...",
    )
    flags = Country.find(col(Country.id).in_(*SHOWN)).select(Flag).sort(-col(Country.alpha_3)).all()
    show(f"Country.find(col(Country.id).in_{SHOWN}).select(Flag).sort(-col(Country.alpha_3)).all()", flags)


def change() -> int:
    step("Changes: save() sends the fields that differ, and nothing where none does")
    before = Country.find().timestamp()
    norway = Country.get("NO")
    norway.tags.append("nordic")
    norway.names.common = "Noreg"
    show("norway.changes", norway.changes)
    show("norway.save()", norway.save())
    show("norway.save() again, no request", norway.save())
    norway.numeric = 1
    try:
        norway.save()
    except ValueError as error:
        show("norway.numeric = 1; norway.save()", error)
    return before


def conflict(kinto: Client) -> None:
    step("A conflict: two clients change the same country, and neither loses what it wrote")
    mine = Country.get("CI")
    with Client(kinto.url, auth=("bob", "hopper")):  # the active client of this block; the group lets him write
        his = Country.get("CI")
        his.tags.append("french")
        show("his.save()", his.save())
    mine.names.common = "Ivory Coast"
    try:
        mine.save()
    except ConflictError as error:
        show(
            "mine.save()",
            f"ConflictError, theirs.tags = {error.theirs.tags}, overlapping = {sorted(error.overlapping)}",
        )
        show("error.rebase().save()", error.rebase().save())
    show("mine", (mine.names.common, mine.tags))


def follow(since: int) -> None:
    step("What changed since a timestamp, the oldest first")
    for country in Country.find().since(since).sort("last_modified"):
        print(f"     {country.last_modified}  {country.id}  {country.names.short}")


def remove() -> None:
    step("Deleted, under its ETag like every write")
    aruba = Country.get("AW")
    show("aruba.delete()", aruba.delete())
    try:
        Country.get("AW")
    except NotFoundError as error:
        show("Country.get('AW')", error)


def main() -> None:
    print("A Kinto server starts in this process, in memory, on a free port of this machine ...")
    with Client.embedded(auth=("ada", "lovelace"), accounts={"bob": "hopper"}) as kinto:
        print(f"It answers at {kinto.url}; {Account('ada').principal} is who we are.")
        prepare()
        publish()
        find()
        since = change()
        conflict(kinto)
        follow(since)
        remove()
    print("\nThe server is stopped, and all is gone. docs/tutorial.md goes on from here.")


if __name__ == "__main__":
    main()
