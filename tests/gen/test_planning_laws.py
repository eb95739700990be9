"""Planning over arbitrary documents: it never breaks one, never touches what is kept, and refuses in sentences."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.core.document import Document
from psdstudio.core.layers import PixelLayer
from psdstudio.core.parts import is_pinned
from psdstudio.errors import StudioError
from psdstudio.gen.fake import FakeEngine
from psdstudio.gen.planning import Scope, Verb, apply_result, build_request, new_scene, plan_scope
from psdstudio.gen.request import GenerationRequest
from psdstudio.jobs.inline import run_inline
from tests.gen.scenes import FAST, plan_of
from tests.strategies import documents

NAMES = st.lists(st.sampled_from(["swan", "duck", "boat"]), max_size=4)


@settings(max_examples=60)
@given(documents(), NAMES)
def test_any_document_takes_any_plan(doc: Document, names: list[str]) -> None:
    after = new_scene(doc, plan_of(*names))
    assert after.validate() == []
    for layer in doc.walk():
        if isinstance(layer, PixelLayer) and (layer.part is None or is_pinned(layer)):
            still = after.find(layer.id)
            assert isinstance(still, PixelLayer)
            assert still.pixels is layer.pixels


@settings(max_examples=60)
@given(documents(), st.sampled_from([verb for verb in Verb if verb is not Verb.SPLIT]), st.data())
def test_any_run_on_any_document_gives_a_sound_document_or_a_sentence(
    doc: Document, verb: Verb, data: st.DataObject
) -> None:
    ids = [layer.id for layer in doc.walk()]
    chosen = data.draw(st.lists(st.sampled_from(ids), max_size=3)) if ids else []
    scope = plan_scope(doc, verb, chosen)
    assert scope.button_text()
    request = _request_or_refusal(doc, scope)
    if isinstance(request, StudioError):
        assert request.user_message
        assert request.hint
        return
    after = apply_result(doc, run_inline(FakeEngine(), request))
    assert after.validate() == []
    assert {layer.id for layer in doc.walk() if layer.part is None} <= {layer.id for layer in after.walk()}


def _request_or_refusal(doc: Document, scope: Scope) -> GenerationRequest | StudioError:
    try:
        return build_request(doc, scope, run_id="r", seed=1, engine="fake", sampling=FAST)
    except StudioError as exc:
        return exc
