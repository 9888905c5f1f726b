"""What the kernels take off a study: the seconds of the trials that two studies share.

    normkit study --out with && NORMKIT_KERNELS=off normkit study --out without
    python benchmarks/study_time.py with without [--write]

A study plans as many trials as its time allows, so the whole times of two are much alike; told is
how long the same trials took to train, those that both have and that ended in both as planned.
Trials without norm run the same code in both: how far they are apart says how alike the machine
was. Both studies are to be of one version, and of one machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "study_time.json"


def ran_with(study: Path) -> dict[str, Any]:
    """The versions and the machine of a study."""
    results = json.loads((study / "results.json").read_text("utf-8"))
    return {key: results[key] for key in ("normkit", "torch", "python", "machine")}


def seconds(study: Path) -> dict[str, tuple[str, float]]:
    """What each finished trial of a study is → its norm, and how long it trained."""
    found = {}
    for file in sorted((study / "trials").glob("*.json")):
        trial = json.loads(file.read_text("utf-8"))
        trained = trial["times"].get("measured", {}).get("training")
        if trial["status"] == "ok" and trained:  # Some look at a network before it is trained.
            what = {key: value for key, value in trial["spec"].items() if key != "code"}
            found[json.dumps(what, sort_keys=True)] = (what["norm"], trained)
    return found


def compared(
    with_kernels: Mapping[str, tuple[str, float]], without: Mapping[str, tuple[str, float]]
) -> list[dict[str, Any]]:
    """A row for each norm, the one with most trials first."""
    rows: dict[str, dict[str, Any]] = {}
    for what, (norm, trained) in with_kernels.items():
        if what in without:
            row = rows.setdefault(norm, {"norm": norm, "trials": 0, "with": 0.0, "without": 0.0})
            row["trials"] += 1
            row["with"] += trained
            row["without"] += without[what][1]
    return sorted(rows.values(), key=lambda row: -row["trials"])


def main() -> None:
    """Compare two folders."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("with_kernels", type=Path)
    parser.add_argument("without", type=Path)
    parser.add_argument("--write", action="store_true", help="keep the result")
    arguments = parser.parse_args()
    about, other = ran_with(arguments.with_kernels), ran_with(arguments.without)
    if about != other:
        parser.error(
            f"the two studies must be of one version and one machine; got {about} and {other}. "
            "Run one of them again."
        )
    rows = compared(seconds(arguments.with_kernels), seconds(arguments.without))
    for row in rows:
        print(
            f"{row['norm']:10s} {row['trials']:4d} trials  {row['without']:7.1f} s without, "
            f"{row['with']:7.1f} s with kernels: {row['without'] / row['with']:.2f}"
        )
    if arguments.write:
        kept = {"about": about, "rows": rows}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
