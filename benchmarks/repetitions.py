"""Do other seeds give the same verdicts? Studies of the headline claims, side by side.

    normkit study --norms batch --seed 8 --out A; normkit study --norms batch --seed 9 --out B; …
    python benchmarks/repetitions.py A B C [--write]

Studies with different --seed train other networks on other batches, on the same split of the data.
Shown is what each headline claim comes to for the headline norm.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from normkit.study import StudyResult

RESULTS = Path(__file__).parent / "results" / "repetitions.json"
KEPT = ("claim", "id", "norm", "outcome", "effect", "low", "high", "delta", "seeds", "confidence")


def headline_verdicts(folder: Path) -> list[dict[str, Any]]:
    """The verdict of each headline claim in one study: its first, for the headline norm."""
    result = StudyResult.load(folder)
    recipe = result.document["recipe"]
    norms = [norm for norm in recipe["rates"] if norm != "none"]
    headline = "batch" if "batch" in norms else norms[0]
    headlines = {claim["id"] for claim in result.document["claims"] if claim["headline"]}
    first: dict[str, dict[str, Any]] = {}
    for verdict in result.verdicts():
        if verdict["claim"] in headlines and verdict["primary"] and verdict["norm"] == headline:
            first.setdefault(verdict["claim"], verdict)
    return [
        {
            "first_seed": recipe["seeds"][0],
            "command": result.document["command"],
            **{name: verdict[name] for name in KEPT},
        }
        for verdict in first.values()
    ]


def shown(value: float | None) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    """Print the table and, if asked, keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = [row for folder in options.folders for row in headline_verdicts(folder)]
    for row in sorted(rows, key=lambda row: row["claim"]):
        print(
            f"{row['claim']:16} {row['seeds']:2} seeds from {row['first_seed']:4}: "
            f"{row['outcome']:13} {shown(row['effect'])} "
            f"[{shown(row['low'])}, {shown(row['high'])}], δ {shown(row['delta'])}, "
            f"{row['confidence']:.1%} interval"
        )
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
