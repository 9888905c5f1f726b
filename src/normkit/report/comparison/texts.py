"""Sentences in both languages at once: a comparison document holds each text in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from normkit.report.schema import Text
from normkit.report.words import LANGUAGES, Words


def said(name: str, /, **values: Any) -> Text:
    """One of the report's words in every language; texts that are filled in are picked likewise.

    >>> said("count_of", name=said("agree"), count=3)["en"]
    'same outcome: 3'
    """
    texts = {}
    for lang in LANGUAGES:
        words = Words(lang)
        picked = {
            key: words.pick(cast(Text, value)) if isinstance(value, dict) else value
            for key, value in values.items()
        }
        texts[lang] = words(name, **picked)
    return cast(Text, texts)


def plain(value: object) -> Text:
    """The same in every language: a number, a name.

    >>> plain(8)["zh"]
    '8'
    """
    return {"en": str(value), "zh": str(value)}


def listed(texts: Sequence[Text], separator: str = "list_separator") -> Text:
    """Texts one after the other, as each language lists them.

    >>> listed([plain("a"), plain("b")])["zh"]
    'a、b'
    """
    joined = {
        lang: Words(lang)(separator).join(Words(lang).pick(text) for text in texts)
        for lang in LANGUAGES
    }
    return cast(Text, joined)
