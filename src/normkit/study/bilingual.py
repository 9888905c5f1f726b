"""A sentence in every language that the report speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class Text(TypedDict):
    """One sentence, in English and in Chinese."""

    en: str
    zh: str


def text(en: str, zh: str) -> Text:
    """Pair a sentence with its translation.

    >>> text("seeds", "随机种子")["en"]
    'seeds'
    """
    return {"en": en, "zh": zh}


def in_english(norms: Sequence[str]) -> str:
    """Names of norms as English lists them, to be set as code.

    >>> in_english(["batch", "layer", "group"])
    '`batch`, `layer` and `group`'
    """
    *others, last = (f"`{norm}`" for norm in norms)
    return f"{', '.join(others)} and {last}" if others else last


def in_chinese(norms: Sequence[str]) -> str:
    """Names of norms as Chinese lists them, to be set as code.

    >>> in_chinese(["batch", "layer", "group"])
    '`batch`、`layer`、`group`'
    """
    return "、".join(f"`{norm}`" for norm in norms)


def joined(*texts: Text) -> Text:
    """Sentences one after the other.

    >>> joined(text("One.", "一。"), text(" Two.", "二。"))["zh"]
    '一。二。'
    """
    return text("".join(t["en"] for t in texts), "".join(t["zh"] for t in texts))
