"""Adjustments as records of a project file."""

from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from psdstudio.core.adjustments import TITLES, Adjustment, adjustment_faults
from psdstudio.io.project_adjustments import AdjustmentRecord, to_adjustment, to_adjustment_record
from tests.adjustments import ADJUSTMENTS

RECORDS: TypeAdapter[AdjustmentRecord] = TypeAdapter(AdjustmentRecord)


@given(ADJUSTMENTS)
def test_every_adjustment_comes_back_from_json(adjustment: Adjustment) -> None:
    text = RECORDS.dump_json(to_adjustment_record(adjustment))
    assert to_adjustment(RECORDS.validate_json(text)) == adjustment
    assert b'"kind"' not in text  # by which the layers of a manifest are counted


def test_every_kind_has_a_record_of_its_own() -> None:
    types = {to_adjustment_record(kind()).type for kind in TITLES}
    assert len(types) == len(TITLES)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "vibrance"}', '{"type": "invert", "more": 1}', '{"type": "posterize"}',
        '{"type": "posterize", "levels": "many"}', '{"type": "curves", "master": [[0, 0, 0]]}', "[]", "null",
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        RECORDS.validate_json(text)


def test_what_is_out_of_range_is_a_fault_of_the_document() -> None:
    record = RECORDS.validate_json('{"type": "posterize", "levels": 1}')
    assert adjustment_faults(to_adjustment(record))
