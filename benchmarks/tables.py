"""Rebuild the tables of benchmarks/README.md from benchmarks/results.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE / "README.md"
BEGIN = "<!-- made by benchmarks/tables.py from results/{}.json -->\n"
END = "<!-- end -->\n"

Row = Mapping[str, Any]


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *lines])


def judges(rows: Sequence[Row]) -> str:
    """How often each verdict is wrong at most, and how often it sees a real effect."""
    worlds: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        worlds.setdefault((row["claim"], row["verdict"]), []).append(row)

    def line(claim: str, verdict: str) -> list[str]:
        found = worlds[claim, verdict]
        worst = max(found, key=lambda row: row["wrong"])
        seen = {row["scenario"]: f"{row['supported']:.0%}" for row in found}
        few = [seen[world] for n in (3, 2) if (world := f"effect, {n} seeds") in seen]
        world = worst["scenario"] if worst["wrong"] else "–"
        return [
            *(f"`{claim}`", verdict, f"{worst['wrong']:.1%}", world),
            *(seen["effect"], " / ".join(few) or "–"),
        ]

    head = ["claim", "verdict", "highest rate of wrong verdicts", "in the world"]
    return markdown(
        [*head, "sees a real effect", "with 3 / 2 seeds"], [line(*verdict) for verdict in worlds]
    )


def steps(row: Row) -> str:
    """Times fewer steps, with the interval."""
    return f"×{row['effect']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def shares(row: Row) -> str:
    """More of the starts that train, in percentage points."""
    effect, low, high = (100 * row[name] for name in ("effect", "low", "high"))
    return f"{effect:+.0f} pp [{low:.0f}, {high:.0f}]"


def nats(row: Row) -> str:
    """The difference of two gaps, and the pairs that it was read in."""
    effect = f"{row['effect']:+.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{effect}, {row['seeds']} pairs"


HEADLINES: dict[str, tuple[str, Callable[[Row], str]]] = {
    "convergence": ("steps", steps),
    "initialisation": ("shares", shares),
    "overfitting": ("gap in nats", nats),
}


def repetitions(rows: Sequence[Row]) -> str:
    """What other sets of seeds say of the headline claims."""
    cells: dict[int, dict[str, str]] = {}
    for row in rows:
        effect = HEADLINES[row["claim"]][1](row).replace("-", "−")
        cells.setdefault(row["first_seed"], {})[row["claim"]] = f"{row['outcome']} {effect}"
    return markdown(
        ["seeds from", *(f"`{claim}`, {what}" for claim, (what, _) in HEADLINES.items())],
        [
            [str(seed), *(cells[seed].get(claim, "–") for claim in HEADLINES)]
            for seed in sorted(cells)
        ],
    )


def resampling(rows: Sequence[Row]) -> str:
    """How often over-fitting is supported and refuted, by how rates are chosen and on how much."""
    worlds = list(dict.fromkeys(row["world"] for row in rows))
    shares: dict[tuple[str, int, int], dict[str, str]] = {}
    for row in rows:
        design = (row["rate_by"], row["tuning_seeds"], row["pairs"])
        told = f"{row['supported']:.1%} / {row['refuted']:.1%}"
        shares.setdefault(design, {})[row["world"]] = told
    return markdown(
        ["rate by", "tuning seeds", "pairs", *worlds],
        [
            [*map(str, design), *(told[world] for world in worlds)]
            for design, told in shares.items()
        ],
    )


def harness(kept: Mapping[str, Any]) -> str:
    """What the harness costs."""
    return markdown(
        ["question", "norm", "median", "lowest, highest", "target"],
        [
            [
                *(row["question"], row.get("norm", "–"), f"{row['ratio']:.2f}"),
                *(f"{row['low']:.2f}, {row['high']:.2f}", f"{row['target']:.2f}"),
            ]
            for row in kept["rows"]
        ],
    )


TABLES: dict[str, Callable[[Any], str]] = {
    "judges": judges,
    "repetitions": repetitions,
    "repetitions-before": repetitions,
    "resampling": resampling,
    "harness": harness,
}


def with_tables(page: str) -> str:
    """The page, every table rebuilt from its results."""
    for name, table in TABLES.items():
        results = json.loads((HERE / "results" / f"{name}.json").read_text("utf-8"))
        before, rest = page.split(begin := BEGIN.format(name))
        _, after = rest.split(END, 1)
        page = before + begin + table(results) + END + after
    return page


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text("utf-8")), "utf-8")
