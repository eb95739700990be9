"""Damage to project files that SQLite does not see: rows, sizes, hashes, fields of the manifest, the schema itself.

Mostly the seal and the checksums are made right again, as an attacker would: then the checks behind them are met.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
import sqlite3
from typing import Any

from psdstudio.io.project_blobs import Blob
from tests.fuzz.byte_mutations import bomb
from tests.fuzz.byte_mutations import mutations as bytes_mutated
from tests.io.projects import reseal_project

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 255, 256, 257, 2**20, 2**31, 2**63 - 1, -(2**63), 1.5, 1e308, float("nan"), float("inf"),
    "", "x", "x" * 100_000, "\ud800", "norm", "pixels", "group", "../../etc/passwd", "\0", [], {}, [[]], [0, 0],
    [2**31, 2**31], {"kind": "pixels"}, "ab" * 32,
)  # fmt: skip
_STATEMENTS = (
    "DROP TABLE tile", "DROP TABLE blob", "DROP TABLE note", "DELETE FROM manifest", "DELETE FROM blob",
    "DELETE FROM tile WHERE x = 0", "CREATE VIEW v AS SELECT * FROM tile", "CREATE TABLE more (a, b)",
    "CREATE TRIGGER t AFTER INSERT ON blob BEGIN DELETE FROM tile; END", "CREATE INDEX i ON tile (blob)",
    "ALTER TABLE tile RENAME TO tiles", "ALTER TABLE tile RENAME COLUMN x TO z", "ALTER TABLE blob ADD COLUMN more",
    "PRAGMA user_version = 0", "PRAGMA user_version = 1", "PRAGMA user_version = 99", "PRAGMA user_version = -1",
    "PRAGMA application_id = 0", "UPDATE tile SET x = x + 1000000", "UPDATE tile SET x = x * 3, y = -y",
    "UPDATE OR IGNORE tile SET layer = 'nobody'", "UPDATE OR IGNORE tile SET raster = 'mask'",
    "INSERT INTO manifest SELECT 2, json, seal FROM manifest", "INSERT INTO note VALUES ('k', zeroblob(100000))",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 2",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'INTEGER', 'TEXT')",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE tile (a)' WHERE name = 'tile'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE VIRTUAL TABLE tile USING fts3(x)'",
)  # fmt: skip


def mutations(seed: int, original: bytes) -> bytes:
    """Return a project file that is a sound database and a wrong project; the same seed makes the same damage."""
    rng = random.Random(seed)
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        db.deserialize(original)
        db.execute("PRAGMA ignore_check_constraints = ON")
        # What cannot be done (a constraint, a row that is gone, a manifest that is none any more) is no damage.
        for _ in range(rng.choice((1, 1, 2, 5))):
            with contextlib.suppress(
                sqlite3.Error, ValueError, TypeError, AttributeError, OverflowError, RecursionError
            ):
                rng.choice((_field, _field, _tile, _tile, _blob, _blob, _packed, _statement))(rng, db)
        if rng.random() < 0.8:
            with contextlib.suppress(sqlite3.Error, TypeError, AttributeError, ValueError):
                reseal_project(db)
        return db.serialize()
    except sqlite3.Error:  # the schema is no longer one: there is nothing left to be written out
        return bytes_mutated(seed, original)
    finally:
        db.close()


def _field(rng: random.Random, db: sqlite3.Connection) -> None:
    """Change something in the manifest."""
    (text,) = db.execute("SELECT json FROM manifest").fetchone()
    if rng.random() < 0.2:
        text = bytes_mutated(rng.randrange(2**32), text.encode()).decode("utf-8", "replace")
    else:
        manifest = json.loads(text)
        holder: Any = manifest
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = rng.choice(keys)
            inner = holder[key]
            if isinstance(inner, dict | list) and inner and rng.random() < 0.85:
                holder = inner
                continue
            _change(rng, holder, key)
            break
        text = json.dumps(manifest, ensure_ascii=rng.random() < 0.5)
        if rng.random() < 0.05:
            group = '{"kind": "group", "id": "g", "children": ['
            text = text.replace('"layers": [', '"layers": [' + group * rng.choice((70, 500, 50_000)), 1)
    db.execute("UPDATE manifest SET json = ?", (text,))


def _change(rng: random.Random, holder: Any, key: Any) -> None:
    way = rng.randrange(5)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif way == 1:
        holder[f"{key}2"] = holder[key]
    else:
        holder[key] = rng.choice(VALUES)


def _row(rng: random.Random, db: sqlite3.Connection, table: str) -> tuple[list[str], str, tuple[Any, ...]]:
    """Choose a row: the columns of its table, and what finds it."""
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    keys = ["layer", "raster", "x", "y"] if table == "tile" else ["sha256"]
    rows = db.execute(f"SELECT {', '.join(keys)} FROM {table}").fetchall()
    return columns, " AND ".join(f"{key} = ?" for key in keys), rng.choice(rows or [(None,) * len(keys)])


def _tile(rng: random.Random, db: sqlite3.Connection) -> None:
    columns, where, key = _row(rng, db, "tile")
    column = rng.choice(columns)
    value: Any = rng.choice((*VALUES[:18], bytes(32), b"", rng.randbytes(32)))
    if rng.random() < 0.3:
        (value,) = db.execute(f"SELECT {column} FROM tile LIMIT 1 OFFSET {rng.randrange(4)}").fetchone()
    db.execute(f"UPDATE OR REPLACE tile SET {column} = ? WHERE {where}", (value, *key))


def _blob(rng: random.Random, db: sqlite3.Connection) -> None:
    columns, where, key = _row(rng, db, "blob")
    value: Any = rng.choice((*VALUES[:18], bytes(32), b"", bytes(300_000)))
    db.execute(f"UPDATE OR REPLACE blob SET {rng.choice(columns)} = ? WHERE {where}", (value, *key))
    _checksums(rng, db)


def _packed(rng: random.Random, db: sqlite3.Connection) -> None:
    """Other bytes under the name of a blob, up to a thousand times as many when they are unpacked."""
    columns, where, key = _row(rng, db, "blob")
    (old,) = db.execute(f"SELECT {columns[-1]} FROM blob WHERE {where}", key).fetchone()
    if not isinstance(old, bytes):  # another change was here before
        return
    size = rng.choice((10, 262_144, 262_145, 30_000_000))
    new = rng.choice((bomb(size), bytes_mutated(rng.randrange(2**32), old), old[:-5], rng.randbytes(65_536)))
    db.execute(f"UPDATE blob SET {columns[-1]} = ? WHERE {where}", (new, *key))
    if rng.random() < 0.5 and "coding" in columns:
        size, coding = rng.choice((10, 65_536, 262_144, 2**24, 2**32 - 1)), rng.randrange(4)
        db.execute(f"UPDATE blob SET raw_bytes = ?, coding = ? WHERE {where}", (size, coding, *key))
    _checksums(rng, db)


def _checksums(rng: random.Random, db: sqlite3.Connection) -> None:
    """Make the checksums right again, mostly."""
    if rng.random() < 0.2 or len(list(db.execute("PRAGMA table_info(blob)"))) != 5:
        return
    for row, digest, raw_bytes, coding, packed in db.execute(
        "SELECT rowid, sha256, raw_bytes, coding, packed FROM blob"
    ).fetchall():
        with contextlib.suppress(TypeError, AttributeError, OverflowError):
            blob = Blob(digest=digest, raw_bytes=raw_bytes, coding=coding, packed=packed)
            db.execute("UPDATE blob SET crc32 = ? WHERE rowid = ?", (blob.checksum, row))


def _statement(rng: random.Random, db: sqlite3.Connection) -> None:
    db.executescript(rng.choice(_STATEMENTS))
