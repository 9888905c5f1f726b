"""The report's own words are whole in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import normkit.report
from normkit.report.words import WORDS, Words, language

CHINESE = re.compile(r"[\u4e00-\u9fff]")
SIGNS_ALONE = {
    "comma",
    "list_separator",
    "and",
    "clause_separator",
    "space",
    "stop",
    "colon",
    "parentheses",
}
SIGNS_ALONE |= {"facts_model", "machine_line", "contradiction", "part_differs"}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("name", WORDS)
def test_each_word_is_there_in_both_languages(name: str) -> None:
    english, chinese = WORDS[name]
    assert english
    assert chinese or name == "space"
    assert not CHINESE.search(english)
    assert name in SIGNS_ALONE or CHINESE.search(chinese)
    assert fields(english) == fields(chinese)


@pytest.mark.parametrize("name", WORDS)
def test_chinese_words_have_chinese_punctuation(name: str) -> None:
    chinese = re.sub(r"\{\w+\}", "字", WORDS[name][1])
    assert not re.search(r"[\u4e00-\u9fff]\s*[,:;?()]|[,:;?()][\u4e00-\u9fff]", chinese)


@pytest.mark.parametrize(
    "other",
    ["配置", "核心论断", "对照网络", "不用归一化", "次训练", "(?<!随机)种子", "各归一化(?!方法)"],
)
def test_chinese_has_one_name_for_one_thing(other: str) -> None:
    assert [name for name, (_, chinese) in WORDS.items() if re.search(other, chinese)] == []


def test_every_word_is_used_and_every_used_word_is_there() -> None:
    room = Path(normkit.report.__file__).parent
    sources = [path for path in room.rglob("*") if path.suffix in (".py", ".j2")]
    text = "\n".join(path.read_text("utf-8") for path in sources if path.name != "words.py")
    quoted = set(re.findall(r"""["'](\w+)["']""", text))
    made_by_rule = (
        *("norm_", "key_", "advice_", "schedule_", "incomplete", "no_base", "parentheses"),
    )
    unused = {name for name in WORDS if name not in quoted and not name.startswith(made_by_rule)}
    assert unused == set()
    called = set(re.findall(r"""(?:\bw|words|Note|entry|prose)\(["'](\w+)["'][,)]""", text))
    assert called <= set(WORDS)


@pytest.mark.parametrize("lang", ["zn", "fr", "EN", "", "both"])
def test_an_unknown_language_names_the_choices(lang: str) -> None:
    with pytest.raises(ValueError, match="lang must be 'en' or 'zh', got"):
        language(lang)


def test_words_and_texts_come_in_the_language_asked_for() -> None:
    words = Words("zh")
    assert words("supported") == "成立"
    assert words.pick({"en": "step", "zh": "步"}) == "步"
    assert words.norm("batch") == "批归一化"
    assert words.norm("a norm of one's own") == ""
