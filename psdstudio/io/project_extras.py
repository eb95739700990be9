"""Parts of the manifest that stand for bytes: colour profile and foreign pieces; and guides.

The bytes themselves are blobs of the file. The manifest names them by the SHA-256 of their chunks, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.foreign import Foreign, ForeignBlock
from psdstudio.core.guides import Guide

DataNames = tuple[Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")], ...]
"""The chunks of some bytes by SHA-256, hexadecimal; none for no bytes."""
NameData = Callable[[bytes], DataNames]
FindData = Callable[[DataNames], bytes]


class Record(BaseModel):
    """Base of all records: frozen, and an unknown field is refused."""

    # Numbers that are none come back as they were; without the word they would be saved as null and never open again.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class ProfileRecord(Record):
    """As `core.colour_profile.ColourProfile`."""

    name: str
    icc: DataNames


class GuideRecord(Record):
    """As `core.guides.Guide`."""

    position: float
    vertical: bool


class BlockRecord(Record):
    """As `core.foreign.ForeignBlock`."""

    key: str
    data: DataNames


class ForeignRecord(Record):
    """As `core.foreign.Foreign`; `state` in hexadecimal."""

    source: str
    state: str = Field(pattern="^([0-9a-f]{2})*$")
    blocks: tuple[BlockRecord, ...]

    def data(self) -> Iterator[DataNames]:
        """Yield the names of all its bytes."""
        for block in self.blocks:
            yield block.data


def data_of(document: Document) -> Iterator[bytes]:
    """Yield all bytes of a document that are no pixels."""
    if document.profile is not None:
        yield document.profile.icc
    for foreign in (document.foreign, *(layer.foreign for layer in document.walk())):
        if foreign is not None:
            yield from (block.data for block in foreign.blocks)


def profile_record(profile: ColourProfile | None, name: NameData) -> ProfileRecord | None:
    """Return the record of a profile."""
    return None if profile is None else ProfileRecord(name=profile.name, icc=name(profile.icc))


def profile_of(record: ProfileRecord | None, find: FindData) -> ColourProfile | None:
    """Return the profile of a record."""
    return None if record is None else ColourProfile(name=record.name, icc=find(record.icc))


def guide_records(guides: tuple[Guide, ...]) -> tuple[GuideRecord, ...]:
    """Return the records of guides."""
    return tuple(GuideRecord(position=guide.position, vertical=guide.vertical) for guide in guides)


def guides_of(records: tuple[GuideRecord, ...]) -> tuple[Guide, ...]:
    """Return the guides of records."""
    return tuple(Guide(position=record.position, vertical=record.vertical) for record in records)


def foreign_record(foreign: Foreign | None, name: NameData) -> ForeignRecord | None:
    """Return the record of foreign pieces."""
    if foreign is None:
        return None
    blocks = tuple(BlockRecord(key=block.key, data=name(block.data)) for block in foreign.blocks)
    return ForeignRecord(source=foreign.source, state=foreign.state.hex(), blocks=blocks)


def foreign_of(record: ForeignRecord | None, find: FindData) -> Foreign | None:
    """Return the foreign pieces of a record."""
    if record is None:
        return None
    blocks = tuple(ForeignBlock(key=block.key, data=find(block.data)) for block in record.blocks)
    return Foreign(source=record.source, state=bytes.fromhex(record.state), blocks=blocks)
