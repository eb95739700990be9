"""The laws of the core: what holds for every document and every command."""

from __future__ import annotations

import contextlib
from collections.abc import Set

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psdstudio.core.changes import Change, Origin, is_edited
from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.core.session import Session
from psdstudio.errors import CommandError
from tests.strategies import commands, documents

# Documents are trees of rasters: drawing one takes milliseconds, which Hypothesis would call too slow.
LAWS = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@given(documents())
@LAWS
def test_strategy_makes_sound_documents(doc: Document) -> None:
    assert doc.validate() == []


@given(documents(), st.data())
@LAWS
def test_a_command_keeps_the_document_sound_or_refuses(doc: Document, data: st.DataObject) -> None:
    for _ in range(3):
        command = data.draw(commands(doc))
        before_rows = [(layer.id, layer) for layer in doc.walk()]
        try:
            after = command.apply(doc)
        except CommandError:
            after = doc
        assert after.validate() == []
        now = [(layer.id, layer) for layer in doc.walk()]
        assert all(a is b for (_, a), (_, b) in zip(before_rows, now, strict=True))
        assert command.label
        doc = after


@given(documents(), st.data())
@LAWS
def test_undo_and_redo_return_the_same_documents(doc: Document, data: st.DataObject) -> None:
    session = Session(doc)
    seen = [doc]
    for _ in range(data.draw(st.integers(1, 4))):
        session.select(session.selection)  # seals: every command is a step of its own
        with contextlib.suppress(CommandError):
            session.apply(data.draw(commands(session.document)))
        if session.document is not seen[-1]:
            seen.append(session.document)
    for expected in reversed(seen[:-1]):
        change = session.undo()
        assert change is not None
        assert change.origin is Origin.UNDO
        assert session.document is expected
        assert all(expected.find(layer_id) is not None for layer_id in session.selection)
    assert session.undo() is None
    assert not session.is_dirty
    for expected in seen[1:]:
        session.redo()
        assert session.document is expected
    assert session.redo() is None


@given(documents(), st.data())
@LAWS
def test_an_aborted_transaction_leaves_no_trace(doc: Document, data: st.DataObject) -> None:
    session = Session(doc)
    session.select([layer.id for layer in doc.layers[:2]])
    selection = session.selection
    transaction = session.begin("drag")
    for _ in range(3):
        with contextlib.suppress(CommandError):
            transaction.update(data.draw(commands(doc)))
    transaction.abort()
    assert session.document is doc
    assert session.selection == selection
    assert not session.can_undo
    assert not session.is_dirty


@given(documents(), st.data())
@LAWS
def test_updates_of_a_transaction_start_from_its_beginning(doc: Document, data: st.DataObject) -> None:
    command = data.draw(commands(doc))
    try:
        expected = command.apply(doc)
    except CommandError:
        return
    session = Session(doc)
    transaction = session.begin("drag")
    for _ in range(2):
        transaction.update(command)
    transaction.commit()
    assert session.document == expected
    assert (session.undo_label is not None) == (session.document is not doc)
    session.undo()
    assert session.document is doc


@given(documents(), st.data())
@LAWS
def test_a_change_names_exactly_what_differs(doc: Document, data: st.DataObject) -> None:
    try:
        after = data.draw(commands(doc)).apply(doc)
    except CommandError:
        return
    change = Change(doc, after, Origin.USER, "")
    old, new = {x.id: x for x in doc.walk()}, {x.id: x for x in after.walk()}
    assert change.added == new.keys() - old.keys()
    assert change.removed == old.keys() - new.keys()
    both = old.keys() & new.keys()
    assert change.edited == {i for i in both if is_edited(old[i], new[i])}
    assert change.moved <= both
    stayed = both - change.moved
    assert _order(doc, stayed) == _order(after, stayed)
    if after is doc:
        assert change.is_empty
        assert change.dirty == ()
    for rect in change.dirty:
        assert rect.intersection(after.canvas) == rect
        assert not rect.is_empty


def _order(doc: Document, ids: Set[LayerId]) -> dict[LayerId | None, list[LayerId]]:
    """Children of every parent, bottom to top, among `ids`."""
    out: dict[LayerId | None, list[LayerId]] = {}
    for layer in doc.layers:
        if layer.id in ids:
            out.setdefault(None, []).append(layer.id)
    for parent in doc.walk():
        for child in getattr(parent, "children", ()):
            if child.id in ids:
                out.setdefault(parent.id, []).append(child.id)
    return out


@given(documents(), st.data())
@LAWS
def test_the_same_command_twice_from_one_document_is_the_same_edit(
    doc: Document, data: st.DataObject
) -> None:
    """A drag that is rebased applies its command anew: copies must get the ids they had."""
    command = data.draw(commands(doc))
    try:
        first, second = command.apply(doc), command.apply(doc)
    except CommandError:
        with pytest.raises(CommandError):
            command.apply(doc)
        return
    assert first == second
