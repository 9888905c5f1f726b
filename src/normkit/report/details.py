"""What follows the first screen, as plain text: every verdict, the recipe, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from normkit.report import formats, tables
from normkit.report.schema import Claim, Recipe, Results, Verdict
from normkit.report.verdict_text import VerdictText
from normkit.report.words import Words


def lines(results: Results, words: Words) -> Iterator[str]:
    """Each claim with its words and all its verdicts, then how the study was made."""
    for claim in results["claims"]:
        yield from _claim(claim, words)
    yield from _method(results, words)


def _claim(claim: Claim, words: Words) -> Iterator[str]:
    title = words.pick(claim["title"])
    tag = words.parentheses(words("headline")) if claim["headline"] else ""
    yield from ("", f"## {title}{tag}", "")
    yield from _prose("textbook", words.pick(claim["textbook"]), words)
    yield from _prose("measured", words.pick(claim["measured"]), words)
    for verdicts in tables.questions(claim):
        first = verdicts[0]
        secondary = "" if first["primary"] else words.parentheses(words("secondary"))
        threshold = VerdictText.of(first, words).threshold
        yield f"### {words.pick(first['what'])}{secondary}"
        yield words("holds_where", threshold=threshold)
        yield from (f"  {_verdict(verdict, words)}" for verdict in verdicts)
        yield ""
    if not claim["verdicts"]:
        yield from (words("no_verdict"), "")
    yield from _prose("contested", words.pick(claim["contested"]), words)
    yield from _prose("advice", words.pick(claim["advice"]), words)


def _verdict(verdict: Verdict, words: Words) -> str:
    shown = VerdictText.of(verdict, words)
    interval = words("comma").join(part for part in (shown.interval, shown.confidence) if part)
    measured = f"{shown.effect} {interval}".strip()
    detectable = f"{words('detectable')}{words('colon')}{shown.detectable}"
    note = words.pick(verdict["note"]) if verdict["note"] else ""
    parts = [
        words(verdict["outcome"]),
        words("exploratory") if verdict["exploratory"] else "",
        measured,
        shown.logarithm,
        words("seeds_short", seeds=verdict["seeds"]),
        detectable if shown.detectable != formats.NOTHING else "",
        f"{words('note')}{words('colon')}{note}" if note else "",
    ]
    said = words("clause_separator").join(part for part in parts if part)
    return f"{verdict['norm']}{words('colon')}{said}"


def _prose(word: str, text: str, words: Words) -> Iterator[str]:
    if text:
        yield from (f"{words(word)}{words('colon')}{text}", "")


def _method(results: Results, words: Words) -> Iterator[str]:
    data, model = results["data"], results["model"]
    yield from ("", f"## {words('method_title')}", "")
    yield from _prose("how_to_read", words("how_to_read_text"), words)
    sizes = {name: formats.number(data[name]) for name in ("train", "validation", "test")}
    versions = [("normkit", results["normkit"]), ("torch", results["torch"])]
    versions.append(("Python", results["python"]))
    yield from _facts(
        [
            ("data", data["spec"]),
            ("split", words("split_sizes", **sizes)),
            *(("notes", words.pick(note)) for note in data["notes"]),
            ("model", f"{model['name']}{words.parentheses(words.pick(model['description']))}"),
            ("trials", words("trials_counts", **results["trials"])),
            ("budget", results["budget"]),
            ("versions", words.join([f"{name} {version}" for name, version in versions])),
            ("machine", words("machine_line", **results["machine"])),
            ("repeat", results["command"]),
        ],
        words,
    )
    yield from ("", f"### {words('recipe')}")
    yield from _facts(_recipe(results["recipe"], words), words)
    for word, items, nothing in (
        ("dropped", [words.pick(item) for item in results["dropped"]], "nothing_dropped"),
        ("failures", [words.pick(item) for item in results["failures"]], "no_failures"),
        ("skipped", [words("colon").join(item) for item in data["skipped"]], ""),
    ):
        if items:
            yield from ("", f"### {words(word)}")
            yield from (f"  - {item}" for item in items)
        elif nothing:
            yield from ("", words(nothing))


def _recipe(recipe: Recipe, words: Words) -> list[tuple[str, str]]:
    momentum = recipe["momentum"]
    beside = words("momentum", value=formats.number(momentum)) if momentum is not None else ""
    rates = [f"{norm} {formats.number(rate)}" for norm, rate in recipe["rates"].items()]
    return [
        ("recipe_why", words.pick(recipe["why"])),
        ("init", recipe["init"]),
        ("depth", "" if recipe["depth"] is None else str(recipe["depth"])),
        ("steps", str(recipe["steps"])),
        ("batch", str(recipe["batch"])),
        ("optimizer", recipe["optimizer"] + (words.parentheses(beside) if beside else "")),
        ("schedule", words(f"schedule_{recipe.get('schedule', 'constant')}")),
        ("rates", words.join(rates)),
        ("seeds", words.pick(recipe["seeds_told"])),
    ]


def _facts(facts: Iterable[tuple[str, str]], words: Words) -> Iterator[str]:
    yield from (f"{words(word)}{words('colon')}{fact}" for word, fact in facts if fact)
