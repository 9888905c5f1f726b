"""Sentences in both languages at once: a comparison document holds each text in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from unicodedata import east_asian_width

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
            key: words.pick(cast(Text, value)) if isinstance(value, dict) else str(value)
            for key, value in values.items()
        }
        form = words(name)
        texts[lang] = (_closed(form, picked) if lang == "zh" else form).format(**picked)
    return cast(Text, texts)


def _closed(form: str, values: Mapping[str, str]) -> str:
    """A Chinese form without the spaces beside a value that is set in Chinese at that edge.

    >>> _closed("在 {name} 中", {"name": "甲"}), _closed("在 {name} 中", {"name": "a（b）"})
    ('在{name}中', '在 {name}中')
    """
    for name, value in values.items():
        if _is_wide(value[:1]):
            form = form.replace(f" {{{name}}}", f"{{{name}}}")
        if _is_wide(value[-1:]):
            form = form.replace(f"{{{name}}} ", f"{{{name}}}")
    return form


def _is_wide(sign: str) -> bool:
    return sign != "" and east_asian_width(sign) in "WF"


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
