"""The planner with its lexicon, loaded from the resources when the first sentence comes."""

from __future__ import annotations

from threading import Lock

from psdstudio.core.layers import Role
from psdstudio.gen.engine_words import WordsFilter, as_written, known_words
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.plan import Plan
from psdstudio.gen.planner import plan_scene


class Language:
    """The planner with its lexicon, loaded at the first sentence. Any thread; calls take turns."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._lexicon: Lexicon | None = None
        self._known: WordsFilter = as_written

    def plan(self, sentence: str) -> Plan:
        """Read a sentence; raises PromptError, ModelNotFound."""
        with self._turn:
            return plan_scene(sentence, self._loaded())

    def words(self, text: str, role: Role) -> str:
        """Turn a layer's words into the network's."""
        with self._turn:
            self._loaded()
            return self._known(text, role)

    def _loaded(self) -> Lexicon:
        if self._lexicon is None:
            self._lexicon = Lexicon.shipped()
            self._known = known_words(self._lexicon)
        return self._lexicon
