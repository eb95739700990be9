"""Words of rows: as diffusers encodes them, in chunks, joined for the composite with owners for all tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.adapters_file import FullOffset
from psdstudio.engine.sdxl.prompts import SHORTENED_NOTE, adapting_rows, encode_scene, time_ids
from psdstudio.engine.sdxl.row_adapters import RowAdapters
from psdstudio.engine.sdxl.token_chunks import CHUNK_LENGTH, in_chunks, joined
from psdstudio.errors import PromptError
from tests.engine.sdxl.scenes import background, composite, text_parts, thing, tokenizers
from tests.engine.sdxl.tiny import POOLED_DIM, WORDS_DIM, tiny_scheduler, tiny_unet, tiny_vae

pytestmark = pytest.mark.torch
FIRST_LAYER = "encoder.layers.0.mlp.fc1"


def pipeline(*, zeros_for_empty: bool = True) -> StableDiffusionXLPipeline:
    parts = text_parts()
    return StableDiffusionXLPipeline(
        vae=tiny_vae(),
        text_encoder=parts.encoders[0],
        text_encoder_2=parts.encoders[1],
        tokenizer=parts.tokenizers[0],
        tokenizer_2=parts.tokenizers[1],
        unet=tiny_unet(),
        scheduler=tiny_scheduler(),
        force_zeros_for_empty_prompt=zeros_for_empty,
        add_watermarker=False,
    )


@pytest.mark.parametrize(("negative", "zeros"), [(None, True), ("a fog", True), (None, False)])
def test_one_row_is_as_diffusers_encodes_it_to_the_bit(negative: str | None, zeros: bool) -> None:
    wanted = pipeline(zeros_for_empty=zeros).encode_prompt("a swan, a cat", negative_prompt=negative)
    row = thing(1, "a swan, a cat", negative=negative or "")
    made = encode_scene(text_parts(zeros_for_empty=zeros), [row])
    words, negative_words, pooled, negative_pooled = (tensor[0] for tensor in wanted)
    assert torch.equal(made.words[0], words)
    assert torch.equal(made.negative_words[0], negative_words)
    assert torch.equal(made.pooled[0], pooled)
    assert torch.equal(made.negative_pooled[0], negative_pooled)


def test_a_layer_is_encoded_as_if_alone() -> None:
    rows = [composite("a fog"), background("a lake"), thing(1, "a swan"), thing(2, "a cat", negative="a dog")]
    together = encode_scene(text_parts(), rows)
    for i, row in enumerate(rows[1:], start=1):
        alone = encode_scene(text_parts(), [row])
        assert torch.equal(together.words[i], alone.words[0])
        assert torch.equal(together.pooled[i], alone.pooled[0])
        assert torch.equal(together.negative_words[i], alone.negative_words[0])


def test_all_tokens_of_the_composite_are_owned_and_say_what_the_layers_say() -> None:
    rows = [composite("a fog"), background("a lake"), thing(1, "a swan"), thing(2, "a white cat")]
    made = encode_scene(text_parts(), rows)
    tokenizer = tokenizers()[0]
    whole = tokenizer("a fog, a lake, a swan, a white cat", padding="max_length").input_ids
    assert set(made.spans) == {"background", "object 1", "object 2"}
    for layer, words in (("background", "a lake"), ("object 1", "a swan"), ("object 2", "a white cat")):
        ((start, end),) = made.spans[LayerId(layer)]
        assert tokenizer.decode(whole[start:end]).strip() == words
    alone = encode_scene(text_parts(), [thing(1, "a fog, a lake, a swan, a white cat")])
    assert torch.equal(made.words[0], alone.words[0])


def test_rows_have_one_length_and_repeating_a_row_changes_no_attention() -> None:
    long = "a cat " * 60
    rows = [background("a lake"), thing(1, long)]
    made = encode_scene(text_parts(), rows)
    alone = encode_scene(text_parts(), rows[:1])
    assert made.words.shape == (2, 2 * CHUNK_LENGTH, WORDS_DIM)
    assert made.pooled.shape == (2, POOLED_DIM)
    query = torch.randn(1, 1, 5, WORDS_DIM)
    read = [scaled_dot_product_attention(query, w[None], w[None]) for w in (made.words[:1], alone.words)]
    torch.testing.assert_close(read[0], read[1], atol=1e-6, rtol=1e-5)


def test_a_second_chunk_counts_and_does_not_change_the_first() -> None:
    long = encode_scene(text_parts(), [thing(1, "a cat " * 60)])
    cut = encode_scene(text_parts(), [thing(1, "a cat " * 37 + "a")])
    torch.testing.assert_close(long.words[0, :CHUNK_LENGTH], cut.words[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(long.pooled, cut.pooled, atol=1e-5, rtol=1e-5)
    assert (long.words[0, CHUNK_LENGTH:] - cut.words[0]).abs().max() > 0.1


def test_too_many_words_of_one_layer_are_refused_with_a_sentence() -> None:
    with pytest.raises(PromptError, match="at most 225 for one layer") as refused:
        encode_scene(text_parts(), [composite(), thing(1, "a swan"), thing(2, "a cat " * 113)])
    assert "a cat a cat" in refused.value.user_message
    assert refused.value.hint


def test_the_composite_of_many_words_is_cut_and_says_so() -> None:
    rows = [composite(), *(thing(i, "a cat " * 70) for i in range(1, 6))]
    made = encode_scene(text_parts(), rows)
    assert made.notes == (SHORTENED_NOTE,)
    assert made.period <= 4 * CHUNK_LENGTH
    assert {end - start for ((start, end),) in made.spans.values()} == {37}
    assert set(made.spans) == {f"object {i}" for i in range(1, 6)}
    assert encode_scene(text_parts(), rows[:2]).notes == ()


def test_layers_without_words_own_nothing() -> None:
    made = encode_scene(text_parts(), [composite(), background(""), thing(1, "a swan")])
    assert made.spans == {LayerId("object 1"): ((1, 3),)}


@given(lengths=st.lists(st.integers(0, 160), min_size=1, max_size=12), chunks=st.integers(1, 4))
@settings(deadline=None)
def test_joined_words_lie_in_the_chunks_at_their_spans(lengths: list[int], chunks: int) -> None:
    parts = [[100 * i + k % 100 for k in range(length)] for i, length in enumerate(lengths, start=1)]
    whole = joined(parts, comma=7, max_chunks=chunks)
    assert len(whole.chunks) <= chunks
    assert all(len(chunk) <= 75 for chunk in whole.chunks)
    flat = [token for chunk in whole.chunks for token in (0, *chunk, *[0] * (76 - len(chunk)))]
    kept = [[token for start, end in spans for token in flat[start:end]] for spans in whole.spans]
    longest = max(len(part) for part in kept)
    assert kept == [part[:longest] for part in parts]
    assert whole.shortened == (longest < max(lengths))
    owned = sum(end - start for spans in whole.spans for start, end in spans)
    assert sum(len(chunk) for chunk in whole.chunks) - owned < len(parts)


def test_chunks_are_of_75() -> None:
    assert in_chunks([]) == ((),)
    assert [len(chunk) for chunk in in_chunks(range(151))] == [75, 75, 1]


def test_sizes_are_said_as_diffusers_says_them() -> None:
    pipe = pipeline()
    wanted = pipe._get_add_time_ids((128, 192), (0, 0), (128, 192), torch.float32, POOLED_DIM)
    assert torch.equal(time_ids(3, (128, 192), torch.zeros(1)), wanted.repeat(3, 1))


def test_loras_act_on_the_words_of_their_rows_alone() -> None:
    parts = text_parts()
    adapters = RowAdapters(parts.encoders[0]), RowAdapters(parts.encoders[1])
    for own, width in zip(adapters, (24, 40), strict=True):
        own.attach("style", {FIRST_LAYER: FullOffset(weight=torch.randn(2 * width, width))})
    rows = [
        thing(1, "a cat", adapters={"style": 0.5, "of the UNet alone": 1.0}),
        thing(2, "a cat"),
        thing(3, "a cat", adapters={"style": 0.5}, negative="a dog"),
    ]
    plain = encode_scene(text_parts(), rows)
    styled = encode_scene(replace(parts, adapting=adapting_rows(adapters, "cpu")), rows)
    assert torch.equal(styled.words[1], plain.words[1])
    assert torch.equal(styled.words[0], styled.words[2])
    changed = (styled.words[0] - plain.words[0]).abs()
    assert changed[:, :24].max() > 1e-2, "the first encoder's channels"
    assert changed[:, 24:].max() > 1e-2, "the second encoder's"
    assert (styled.negative_words[2] - plain.negative_words[2]).abs().max() > 1e-2
    assert torch.equal(styled.negative_words[:2], torch.zeros_like(styled.negative_words[:2]))
