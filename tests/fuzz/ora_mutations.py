"""Damage to OpenRaster files that keeps them archives: entries, their names and sizes, `stack.xml`, the layers' PNGs.

Source of the layout: OpenRaster 0.0.6, file layout and layer stack.
"""

from __future__ import annotations

import io
import random
import re
import warnings
import zipfile

from tests.fuzz import png_mutations
from tests.fuzz.byte_mutations import mutations as bytes_mutated

_STACK = "stack.xml"
_VALUES = ("", "0", "-1", "1", "256", "30001", "2147483648", "1e308", "nan", "inf", "1,5", "x", "x" * 10_000, "é🦢",
           "svg:multiply", "svg:src-over", "krita:nothing", "hidden", "data/layer0.png", "../../evil.png",
           "/etc/passwd", "stack.xml", "mimetype", "C:\\evil.png", "data/none.png", "&amp;")  # fmt: skip
_NAMES = (
    "../evil.png",
    "/tmp/evil.png",
    "data/../../evil.png",
    "data/",
    "stack.xml",
    "mimetype",
    "x" * 300,
    "a\\b.png",
)
_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE image [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + ']><image w="9" h="9"><stack><layer name="&j;" src="data/layer0.png"/></stack></image>'
)
_OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE image [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<image w="9" h="9"><stack><layer name="&x;" src="data/layer0.png"/></stack></image>'
)
Entries = list[tuple[str, bytes]]


def mutations(seed: int, original: bytes) -> bytes:
    """Return a damaged OpenRaster file; the same seed makes the same damage."""
    rng = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice((_stack, _stack, _stack, _png, _png, _entry, _bomb))(rng, entries)
    data = _archive(rng, entries)
    return bytes_mutated(seed, data) if rng.random() < 0.1 else _record(rng, data)


def _archive(rng: random.Random, entries: Entries) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that occurs twice is what is wanted here
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in entries:
                entry = zipfile.ZipInfo(name)  # of a fixed date
                entry.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
                archive.writestr(entry, data, compresslevel=1)
    return out.getvalue()


def _record(rng: random.Random, data: bytes) -> bytes:
    """Change a field of a local header or of the directory: sizes, method, flags (encryption), offsets."""
    if rng.random() < 0.8:
        return data
    at = [match.start() for match in re.finditer(rb"PK\x01\x02|PK\x03\x04|PK\x05\x06", data)]
    start = rng.choice(at) + rng.randrange(4, 46)
    return data[:start] + rng.choice((b"\0", b"\1", b"\xff", b"\xff\xff\xff\xff")) + data[start + 1 :]


def _stack(rng: random.Random, entries: Entries) -> None:
    index = next((index for index, (name, _) in enumerate(entries) if name == _STACK), None)
    if index is None:
        return
    text = entries[index][1].decode("utf-8", "replace")
    values = list(re.finditer(r'="[^"]*"', text))
    way = rng.randrange(8)
    if way == 0:
        data = bytes_mutated(rng.randrange(2**32), text.encode())
    elif way == 1:
        deep = rng.choice((50, 500, 20_000))
        data = text.replace("<stack", "<stack>" * deep + "<stack", 1).encode()
    elif way == 2:
        data = rng.choice((_LAUGHS, _OUTSIDE, "", "<image/>", "<image w='1' h='1'/>")).encode()
    elif way == 3:
        layers = re.findall(r"<layer[^>]*/>", text) or ["<layer/>"]
        data = text.replace(
            "</stack>", rng.choice(layers) * rng.choice((1, 3, 9000)) + "</stack>", 1
        ).encode()
    elif way == 4 and values:
        start = text.rfind(" ", 0, values[0].start()) if rng.random() < 0.5 else rng.choice(values).start()
        data = (text[:start] + text[start + rng.randrange(1, 12) :]).encode()
    elif values:
        where = rng.choice(values)
        data = (text[: where.start()] + f'="{rng.choice(_VALUES)}"' + text[where.end() :]).encode()
    else:
        return
    entries[index] = (_STACK, data)


def _png(rng: random.Random, entries: Entries) -> None:
    at = [index for index, (name, data) in enumerate(entries) if name.endswith(".png") and data]
    if at:
        index = rng.choice(at)
        change = rng.choice((png_mutations.mutations, bytes_mutated))
        entries[index] = (entries[index][0], change(rng.randrange(2**32), entries[index][1]))


def _entry(rng: random.Random, entries: Entries) -> None:
    """Take an entry away, double it, or give it another name."""
    if not entries:
        return
    index = rng.randrange(len(entries))
    name, data = entries[index]
    way = rng.randrange(3)
    if way == 0:
        del entries[index]
    elif way == 1:
        entries.append((name, data[: len(data) // 2]))
    else:
        entries[index] = (rng.choice(_NAMES), data)


def _bomb(rng: random.Random, entries: Entries) -> None:
    """An entry that unpacks to a great deal."""
    if entries:
        index = rng.randrange(len(entries))
        entries[index] = (
            entries[index][0],
            rng.choice((b"\0", b" ", b"<stack>")) * rng.choice((10**6, 10**7)),
        )
