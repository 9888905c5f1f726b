"""Do other seeds give the same verdicts? Studies of the headline claims, side by side.

    normkit study --seed 0 --out A; normkit study --seed 1 --out B; …
    python benchmarks/repetitions.py A B C [--write]

Studies with different --seed train other networks on other batches, on the same split of the data.
Only verdicts of the headline norm are shown.
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
    """The confirmatory verdicts of one study."""
    result = StudyResult.load(folder)
    headlines = {claim["id"] for claim in result.document["claims"] if claim["headline"]}
    return [
        {"study_seeds": result.document["recipe"]["seeds"], **{k: v[k] for k in KEPT}}
        for v in result.verdicts()
        if v["claim"] in headlines and v["primary"] and v["norm"] == "batch"
    ]


def main() -> None:
    """Print the table and, if asked, keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = [row for folder in options.folders for row in headline_verdicts(folder)]
    for row in sorted(rows, key=lambda row: row["claim"]):
        first, last = row["study_seeds"][0], row["study_seeds"][-1]
        print(
            f"{row['claim']:16} seeds {first}–{last}: {row['outcome']:13} {row['effect']:.3f} "
            f"[{row['low']:.3f}, {row['high']:.3f}], δ {row['delta']:.3f}"
        )
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
