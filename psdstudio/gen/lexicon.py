"""The nouns the planner knows: objects from the vocabulary file, places and light from the word tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.gen import ground_words, words
from psdstudio.gen.spelling import Speller
from psdstudio.gen.text_encoder import WIDTH, TextEncoder
from psdstudio.gen.tokens import is_clock
from psdstudio.resources_path import resource_dir

MAX_NOUN_WORDS = 4
# Below this cosine "a X" and "a Y" name different things: sword ~ knife .71, plate ~ bowl .60, iguana ~ tiger .55.
NEAR_ENOUGH = 0.56
NEAR_PLACE = 0.62
_MEMORY = 2000
_HINT = "Install PSDStudio again, or fetch the complete source tree."


class NounKind(Enum):
    """What a noun may be in a picture."""

    OBJECT = "object"
    PLACE = "place"
    EITHER = "either"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class Noun:
    """A known noun as found in a text.

    `canonical` is the vocabulary's word, `singular` the user's own in the singular ("puppies" -> dog, puppy);
    `length` counts the words it took; `plural` is true where the form found is a plural only.
    """

    canonical: str
    singular: str
    kind: NounKind
    length: int
    plural: bool


@dataclass(frozen=True, slots=True)
class Nearest:
    """The known noun nearest to an unknown one; `similarity` is a cosine, -1..1."""

    noun: str
    kind: NounKind
    similarity: float


@dataclass(frozen=True, slots=True)
class _Entry:
    canonical: str
    singular: str
    kind: NounKind


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """Precomputed vectors of noun phrases: int8 rows (n, 384), and the fingerprint of the encoder that made them."""

    encoder: str
    phrases: tuple[str, ...]
    vectors: NDArray[np.int8]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `Lexicon.store_vectors` wrote.

        Raises:
            ModelLoadFailed: The file is damaged.
        """
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as data:
                phrases = tuple(str(phrase) for phrase in data["phrases"])
                vectors = data["vectors"].astype(np.int8)
                if vectors.shape != (len(phrases), WIDTH):
                    raise ValueError(f"vectors are {vectors.shape}")
                return cls(str(data["encoder"]), phrases, vectors)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as exc:
            raise ModelLoadFailed(f"The noun vectors {path} are damaged: {exc}", _HINT) from exc

    def rows(self) -> dict[str, NDArray[np.float32]]:
        """Unit float32 vectors by phrase."""
        table = self.vectors.astype(np.float32)
        table /= np.maximum(np.sqrt((table * table).sum(axis=1, keepdims=True)), np.float32(1))
        return dict(zip(self.phrases, table, strict=True))


class Lexicon:
    """Looks nouns up by any of their forms. Immutable but for the lazily built noun index and its answers.

    Building the index without stored vectors takes seconds; `warm` does it ahead. One thread at a time.
    """

    def __init__(
        self,
        entries: Iterable[Mapping[str, Any]],
        encoder: TextEncoder | None = None,
        stored: StoredVectors | None = None,
    ) -> None:
        """`entries` are the vocabulary's objects with `noun` and, optionally, `plural` and `synonyms`."""
        self._stored = stored
        self._singular: dict[str, _Entry] = {}
        self._plural: dict[str, _Entry] = {}
        self._encoder = encoder
        self._known: dict[
            str, Nearest | None
        ] = {}  # answers so far: a sentence is planned at every keystroke
        self._mended: dict[str, str] = {}
        self._index: tuple[tuple[_Entry, ...], NDArray[np.float32]] | None = None
        for row in ground_words.PLACES.values():
            self._add_all(row, NounKind.PLACE)
        self._add_all(ground_words.NAMED_PLACES, NounKind.PLACE)
        self._add_all(ground_words.EITHER, NounKind.EITHER)
        self._add_all(ground_words.LIGHTS - ground_words.LIGHT_AFTER_PREPOSITION, NounKind.LIGHT)
        self._add_all(ground_words.STRANGERS, NounKind.OBJECT)
        listed = list(entries)
        self._drawable = frozenset(key(entry["noun"]) for entry in listed)
        for entry in listed:
            self._add(key(entry["noun"]), key(entry["noun"]), NounKind.OBJECT, key(entry.get("plural", "")))
        self._stuffs: dict[str, str] = {}
        for entry in listed:
            for synonym in entry.get("synonyms", ()):
                if key(synonym) in words.ADJECTIVES:
                    self._stuffs.setdefault(key(synonym), key(entry["noun"]))
                if _is_usable(key(synonym), key(entry["noun"])):
                    self._add(key(synonym), key(entry["noun"]), NounKind.OBJECT)

        forms = [*self._singular, *self._plural, *ground_words.LIGHTS, *words.SPOKEN]
        self._speller = Speller(part for form in forms for part in form.split(" "))

    @classmethod
    def load(cls, vocabulary: Path, encoder: TextEncoder | None = None, vectors: Path | None = None) -> Self:
        """Read a vocabulary file: a list of entries, or an object holding it as `nouns`.

        `vectors` is a file of `store_vectors`; it saves the second or more the noun index takes. A missing file, or
        one of another encoder, is no error: the index is computed then.

        Raises:
            ModelNotFound: The file is missing.
            ModelLoadFailed: It is no vocabulary.
        """
        try:
            data = json.loads(vocabulary.read_text("utf-8"))
            stored = StoredVectors.load(vectors) if vectors is not None and vectors.exists() else None
            return cls(data["nouns"] if isinstance(data, dict) else data, encoder, stored)
        except OSError as exc:
            raise ModelNotFound(f"The vocabulary {vocabulary} cannot be read.", _HINT) from exc
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ModelLoadFailed(f"The vocabulary {vocabulary} is damaged: {exc}", _HINT) from exc

    @classmethod
    def shipped(cls) -> Self:
        """Read the nouns that the shipped engine knows. Raises ModelNotFound, ModelLoadFailed."""
        encoder = TextEncoder.load(resource_dir("text_encoder"))
        return cls.load(resource_dir("vocabulary.json"), encoder, resource_dir() / "noun_vectors.npz")

    def is_drawable(self, noun: str) -> bool:
        """Whether the vocabulary holds this canonical noun; a ground like "pier" is known but cannot be a layer."""
        return noun in self._drawable

    def find(self, tokens: Sequence[str], *, several: bool = False, after: bool = False) -> Noun | None:
        """The longest known noun that ends `tokens`; None when the last word is unknown.

        Args:
            tokens: Lower-case words of a noun phrase.
            several: A number above one was said, so "glasses" is more than one glass and no spectacles.
            after: A preposition stands before, so "sun" is light and not a thing.
        """
        if after and tokens and tokens[-1] in ground_words.LIGHT_AFTER_PREPOSITION:
            return Noun(tokens[-1], tokens[-1], NounKind.LIGHT, 1, plural=False)
        for length in range(min(MAX_NOUN_WORDS, len(tokens)), 0, -1):
            form = key(" ".join(tokens[-length:]))
            one, many = self._singular.get(form), self._plural.get(form)
            if one is not None and many is not None and form != many.singular:
                one = None if several else one
            if one is not None:
                return Noun(one.canonical, one.singular, one.kind, length, plural=False)
            if many is not None:
                return Noun(many.canonical, many.singular, many.kind, length, plural=True)
        if tokens and (tokens[-1] in ground_words.LIGHT_AFTER_PREPOSITION or is_clock(tokens[-1])):
            return Noun(tokens[-1], tokens[-1], NounKind.LIGHT, 1, plural=False)
        doubled = self._singular.get(key(singular_of(tokens[-1]) or "")) if tokens else None
        if doubled is not None and doubled.kind is NounKind.OBJECT:
            return Noun(doubled.canonical, doubled.singular, doubled.kind, 1, plural=True)  # "two deers"
        return None

    def knows(self, form: str) -> bool:
        """Whether the words are a known noun, singular or plural."""
        return key(form) in self._singular or key(form) in self._plural

    def mended(self, word: str) -> str:
        """The known word meant by a misspelt one ("elefant"); the word itself without an encoder, which knows words."""
        if self._encoder is None:
            return word
        if word not in self._mended:
            if len(self._mended) > _MEMORY:
                self._mended.clear()
            self._mended[word] = self._speller.mended(word, self._encoder.is_word)
        return self._mended[word]

    def find_stuff(self, word: str) -> Noun | None:
        """The thing that a word for a stuff names when an article stands before: "an oak", "a marble"."""
        noun = self._stuffs.get(word)
        return None if noun is None else Noun(noun, word, NounKind.OBJECT, 1, plural=False)

    def nearest(self, phrases: Sequence[str]) -> tuple[Nearest | None, ...]:
        """For each phrase the nearest known object or place; None without an encoder or when nothing is near."""
        if self._encoder is None:
            return (None,) * len(phrases)
        if len(self._known) > _MEMORY:
            self._known.clear()
        asked = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._known]
        if asked:
            entries, table = self._noun_index(self._encoder)
            cosine = self._encoder.embed([f"a {phrase}" for phrase in asked]) @ table.T
            self._known.update(
                (phrase, _best(phrase, entries, row)) for phrase, row in zip(asked, cosine, strict=True)
            )
        return tuple(self._known[phrase] for phrase in phrases)

    def warm(self) -> None:
        """Build the noun index now, so that the first unknown noun costs no more than the next."""
        if self._encoder is not None:
            self._noun_index(self._encoder)

    def _noun_index(self, encoder: TextEncoder) -> tuple[tuple[_Entry, ...], NDArray[np.float32]]:
        if self._index is None:
            # Synonyms of several words share words with strangers: "sea lion" would make every lion a seal.
            entries = tuple(
                e
                for e in self._singular.values()
                if (e.kind is NounKind.PLACE or e.canonical in self._drawable)
                and (e.singular == e.canonical or " " not in e.singular)
                and e.singular not in ground_words.NAMED_PLACES
            )
            self._index = entries, self._vectors(encoder, [f"a {e.singular}" for e in entries])
        return self._index

    def _vectors(self, encoder: TextEncoder, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (n, 384): the stored ones, and what they lack from the encoder."""
        stored = (
            self._stored if self._stored is not None and self._stored.encoder == encoder.fingerprint else None
        )
        rows = stored.rows() if stored is not None else {}
        missing = [phrase for phrase in phrases if phrase not in rows]
        rows |= dict(zip(missing, encoder.embed(missing), strict=True))
        return np.stack([rows[phrase] for phrase in phrases])

    def store_vectors(self, path: Path) -> int:
        """Write the index for later loads (build tool); returns the number of phrases."""
        if self._encoder is None:
            raise AssertionError("a lexicon without an encoder has no vectors")
        entries, table = self._noun_index(self._encoder)
        scale = np.abs(table).max() / 127
        np.savez_compressed(
            path,
            encoder=np.array(self._encoder.fingerprint),
            phrases=np.array([f"a {entry.singular}" for entry in entries]),
            vectors=np.rint(table / scale).astype(np.int8),
        )
        return len(entries)

    def _add_all(self, nouns: Iterable[str], kind: NounKind) -> None:
        for noun in sorted(nouns):
            self._add(noun, noun, kind)

    def _add(self, noun: str, canonical: str, kind: NounKind, plural: str = "") -> None:
        """First come, first kept: tables before the vocabulary, its nouns before its synonyms.

        A ground that may be an object takes the vocabulary's entry as its object reading.
        """
        known = self._singular.get(noun)
        if known is None:
            self._singular[noun] = _Entry(canonical, noun, kind)
        elif known.kind is NounKind.EITHER and kind is NounKind.OBJECT:
            self._singular[noun] = _Entry(canonical, noun, NounKind.EITHER)
        elif known.kind is not kind:
            return
        form = plural or plural_of(noun)
        if form != noun and kind is not NounKind.LIGHT:
            self._plural.setdefault(form, self._singular[noun])


def _is_usable(synonym: str, noun: str) -> bool:
    """Whether a listed synonym is a noun of its own.

    A glass ball is a "marble", but marble is a material; "wooden chair" would take the wood out of the words.
    """
    return synonym not in words.ADJECTIVES and not synonym.endswith(f" {noun}")


def _best(phrase: str, entries: Sequence[_Entry], cosine: NDArray[np.float32]) -> Nearest | None:
    """The nearest entry that is near enough; a place must be clearly near, for a thing is the likelier reading."""
    for at in np.argsort(-cosine)[:8]:
        entry, similarity = entries[int(at)], float(cosine[at])
        if similarity < NEAR_ENOUGH:
            return None
        # Rare words fall into pieces, and the pieces mislead: "capybara" is no cap, "cupboard" no cup.
        misled = phrase.startswith(entry.singular) and " " not in phrase
        # A place named after the thing is not the thing: a flower is no flower bed.
        misled = misled or (entry.kind is NounKind.PLACE and entry.singular.startswith(f"{phrase} "))
        if not misled and (entry.kind is not NounKind.PLACE or similarity >= NEAR_PLACE):
            return Nearest(entry.canonical, entry.kind, similarity)
    return None


def key(phrase: str) -> str:
    """The form a noun is looked up by: lower case, hyphens as spaces."""
    return " ".join(phrase.lower().replace("-", " ").split())


def plural_of(noun: str) -> str:
    """The plural of a noun phrase, its last word inflected."""
    *front, last = noun.split(" ")
    if last in words.IRREGULAR_PLURALS:
        many = words.IRREGULAR_PLURALS[last]
    elif (end := next((end for end in words.COMPOUND_ENDS if last.endswith(end)), None)) is not None:
        many = last.removesuffix(end) + words.IRREGULAR_PLURALS[end]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        many = f"{last}es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        many = f"{last[:-1]}ies"
    elif last in ("potato", "tomato", "mango", "volcano", "mosquito", "buffalo", "hero"):
        many = f"{last}es"
    else:
        many = f"{last}s"
    return " ".join([*front, many])


def singular_of(noun: str) -> str | None:
    """The singular of an unknown noun phrase if it looks like a plural, else None."""
    *front, last = noun.split(" ")
    one = _IRREGULAR_SINGULARS.get(last)
    for end in words.COMPOUND_ENDS:
        if one is None and last.endswith(words.IRREGULAR_PLURALS[end]):
            one = last.removesuffix(words.IRREGULAR_PLURALS[end]) + end  # "bookshelves"
    if one is None:
        if (
            last in words.PLURAL_ONLY
            or len(last) < 4
            or not last.endswith("s")
            or last.endswith(("ss", "us", "is", "'s", "’s"))
        ):
            return None
        if last.endswith("ies") and len(last) > 4:
            one = f"{last[:-3]}y"
        elif last.endswith(("sses", "xes", "zes", "ches", "shes")):
            one = last[:-2]
        else:
            one = last[:-1]
    return " ".join([*front, one]) if one != last else None


_IRREGULAR_SINGULARS = {many: one for one, many in words.IRREGULAR_PLURALS.items()}
