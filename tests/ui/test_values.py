"""Laws of the window's plain values: the view transform, chip edits, rows, words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF

from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import BlendMode, LayerProps, Lock, Part, PixelLayer, Role
from psdstudio.core.wording import listed
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.planner import plan_scene
from psdstudio.gen.scene_parts import read_scene
from psdstudio.ui.canvas.transform import MAX_ZOOM, MIN_ZOOM, ViewTransform, fitted
from psdstudio.ui.generate.draft import ChipEdits, from_document, from_plan, planned_document
from psdstudio.ui.panels.row_layout import Zone, row_layout
from psdstudio.ui.wording import MODE_GROUPS, from_percent, percent, time_left
from tests.ui.rig import SENTENCE, VOCABULARY

coordinates = st.floats(-5000, 5000)


@given(
    st.floats(MIN_ZOOM, MAX_ZOOM),
    st.floats(MIN_ZOOM, MAX_ZOOM),
    coordinates,
    coordinates,
    st.sampled_from([1, 1.5, 2]),
)
def test_zooming_keeps_the_point_under_the_pointer(
    start: float, zoom: float, x: float, y: float, ratio: float
) -> None:
    view = ViewTransform(zoom=start, origin=QPointF(x / 7, y / 3), ratio=ratio)
    anchor = QPointF(x, y)
    before = view.to_canvas(anchor)
    after = view.zoomed(zoom, anchor).to_canvas(anchor)
    near = 1e-6 * (1 + abs(before.x()) + abs(before.y()))
    assert abs(after.x() - before.x()) < near
    assert abs(after.y() - before.y()) < near


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from([1, 1.5, 2]))
def test_a_fitted_canvas_lies_inside_the_area(width: int, height: int, ratio: float) -> None:
    area = QRectF(28, 28, 900, 600)
    view = fitted(Size(width, height), area, ratio=ratio)
    shown = QRectF(view.to_view(0, 0), view.to_view(width, height))
    if MIN_ZOOM < view.zoom < MAX_ZOOM:
        assert area.adjusted(-1, -1, 1, 1).contains(shown)


@given(st.integers(0, 100))
def test_percent_survives_storage(value: int) -> None:
    assert percent(from_percent(value)) == value


def test_every_blend_mode_is_in_the_menu_once() -> None:
    modes = [mode for group in MODE_GROUPS for mode in group]
    assert sorted(modes, key=lambda m: m.name) == sorted(
        set(BlendMode) - {BlendMode.PASS_THROUGH}, key=lambda m: m.name
    )


def test_words() -> None:
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert time_left(0.2) == "under 1 s"
    assert time_left(65) == "1 min 05 s"


def test_chip_edits_survive_a_new_reading_of_the_sentence() -> None:
    lexicon = Lexicon.load(VOCABULARY)
    edits = ChipEdits().with_added("lantern").without("flamingo").with_words("swan", "white swan")
    draft = from_plan(plan_scene(SENTENCE, lexicon), edits)
    assert [layer.words for layer in draft.objects] == ["white swan", "lantern"]
    again = from_plan(plan_scene(SENTENCE + " and a boat", lexicon), edits)
    assert [layer.words for layer in again.objects] == ["white swan", "boat", "lantern"]


def test_an_unknown_noun_is_marked() -> None:
    draft = from_plan(plan_scene("a zorbl and a swan", Lexicon.load(VOCABULARY)))
    assert [layer.nearest for layer in draft.objects] == ["", None]


def test_boxes_of_chips_reach_the_planned_document() -> None:
    box = BoxF(0.1, 0.2, 0.3, 0.4)
    edits = ChipEdits().with_box("swan", box).with_words("swan", "black swan")
    plan = plan_scene(SENTENCE, Lexicon.load(VOCABULARY))
    planned, _ = planned_document(Document(size=Size(200, 100)), from_plan(plan, edits), prompt=SENTENCE)
    boxes = {item.words: (item.part.box, item.part.box_is_users) for item in read_scene(planned).objects}
    assert boxes == {"black swan": (box, True), "flamingo": (None, False)}
    assert planned.scene.prompt == SENTENCE
    assert [layer.words for layer in from_document(planned).objects] == ["black swan", "flamingo"]


def test_two_chips_with_the_same_words_are_two_chips() -> None:
    plan = plan_scene("two ducks and a swan on a lake", Lexicon.load(VOCABULARY))
    first, second, _ = (layer.key for layer in from_plan(plan).objects)
    assert [layer.name for layer in from_plan(plan, ChipEdits().without(first)).objects] == ["duck 2", "swan"]
    renamed = from_plan(plan, ChipEdits().with_words(second, "black duck"))
    assert [layer.words for layer in renamed.objects] == ["duck", "black duck", "swan"]
    box = BoxF(0.1, 0.2, 0.3, 0.4)
    draft = from_plan(plan, ChipEdits().with_box(second, box))
    planned, _ = planned_document(Document(size=Size(200, 100)), draft, prompt="")
    assert [item.part.box for item in read_scene(planned).objects] == [None, box, None]
    twice = ChipEdits().with_added("cat").with_added("cat")
    (_, last) = (key for key, _ in twice.added)
    both = from_plan(plan, twice).objects[-2:]
    assert [layer.name for layer in both] == ["cat", "cat 2"]
    assert [layer.words for layer in from_plan(plan, twice.without(last)).objects][-2:] == ["swan", "cat"]


def test_of_two_ducks_in_the_document_the_one_whose_chip_goes_goes() -> None:
    plan = plan_scene("two ducks on a lake", Lexicon.load(VOCABULARY))
    doc, _ = planned_document(Document(size=Size(200, 100)), from_plan(plan), prompt="")
    one, two = (item.id for item in read_scene(doc).objects)
    for gone, left in ((0, two), (1, one)):
        edits = ChipEdits().without(from_document(doc).objects[gone].key)
        after, _ = planned_document(doc, from_document(doc, edits), prompt="")
        assert [item.id for item in read_scene(after).objects] == [left]
    kept = SetKeep(ids=(two,), keep=True).apply(doc)
    assert planned_document(kept, from_document(kept), prompt="")[0].layers == kept.layers
    assert planned_document(kept, from_plan(plan), prompt="")[0].layers == kept.layers


def test_every_part_of_a_row_answers_at_its_place() -> None:
    props = LayerProps(name="fox", locks=frozenset({Lock.PIXELS}))
    layer = PixelLayer(props=props, part=Part(role=Role.OBJECT, stale_contacts=True))
    at = row_layout(QRect(0, 100, 320, 40), layer, depth=1)
    assert at.zone(at.eye.center()) is Zone.EYE
    assert at.zone(at.keep.center()) is Zone.KEEP
    assert at.zone(at.lock.center()) is Zone.LOCK
    assert at.zone(at.stale.center()) is Zone.STALE
    assert at.zone(at.thumb.center()) is Zone.THUMB
    assert at.zone(QPoint(at.text.center().x(), 120)) is Zone.NAME
    assert at.keep.right() == 319
    parts = [at.eye, at.thumb, at.text, at.stale, at.lock, at.keep]
    assert all(not a.intersects(b) for i, a in enumerate(parts) for b in parts[i + 1 :])
