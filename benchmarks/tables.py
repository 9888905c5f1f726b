"""Rebuild the tables of benchmarks/README.md, docs/surgery.md and README.md from results.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE / "README.md"
FRONT_PAGE = HERE.parent / "README.md"
SURGERY = HERE.parent / "docs" / "surgery.md"
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


RIVALS = ("eager", "eager_in_place")
NAMES = {"mobilenet_v2": "MobileNetV2", "resnet50": "ResNet-50"}
LAYOUTS = {"contiguous": "contiguous", "channels_last": "channels-last"}


def machine(kept: Mapping[str, Any]) -> str:
    """What the results of networks were measured on."""
    about, row = kept["about"], kept["rows"][0]
    return (
        f"\n{about['processor']}, {about['threads']} threads, torch {about['torch']}; images of "
        f"{row['size']} × {row['size']}; float32; medians of {row['rounds']} rounds.\n"
    )


def of_network(row: Row) -> list[str]:
    """The network, its layout and its batch."""
    return [NAMES[row["network"]], LAYOUTS[row["layout"]], str(row["batch"])]


def spread(ratio: Mapping[str, float]) -> str:
    """A ratio with its quartiles."""
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def milliseconds(row: Row) -> list[str]:
    """Of a step over PyTorch's layers, and over normkit's."""
    return [f"{row['milliseconds'][name]['median']:.0f}" for name in ("pytorch", "normkit")]


def small(value: float) -> str:
    """A relative difference."""
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}".replace("-", "−") if value else "–"


def last_losses(row: Row, *names: str) -> str:
    """After the last step."""
    return " / ".join(f"{row['losses'][name][-1]:.3f}" for name in names)


def steps_taken(kept: Mapping[str, Any]) -> int:
    """How many steps every network was trained."""
    return len(kept["rows"][0]["losses"]["pytorch"])


def training_step(kept: Mapping[str, Any]) -> str:
    """What a step takes over either set of layers, and whether it learns the same."""
    head = ["network", "layout", "batch", "PyTorch, ms", "normkit, ms", "PyTorch over normkit"]
    head += ["target", f"loss after {steps_taken(kept)} steps: PyTorch / normkit / PyTorch again"]
    lines = [
        [
            *of_network(row),
            *milliseconds(row),
            spread(row["ratio"]),
            "–" if row["target"] is None else f"{row['target']:.2f}",
            last_losses(row, "pytorch", "normkit", "pytorch, disturbed"),
            f"{row['share']:.0%}",
            " / ".join(f"{row['page_faults'][name]:,.0f}" for name in ("pytorch", "normkit")),
        ]
        for row in kept["rows"]
    ]
    head += ["norms and activations in PyTorch's", "page faults: PyTorch / normkit"]
    return markdown(head, lines) + machine(kept)


def front_page(kept: Mapping[str, Any]) -> str:
    """The same in short."""
    head = ["network", "layout", "batch", "PyTorch's layers", "normkit's", "times as fast"]
    lines = [
        [
            *of_network(row),
            *(f"{value} ms" for value in milliseconds(row)),
            f"{row['ratio']['median']:.2f}",
            last_losses(row, "pytorch", "normkit"),
        ]
        for row in kept["rows"]
    ]
    loss = f"loss after {steps_taken(kept)} steps: PyTorch / normkit"
    return markdown([*head, loss], lines) + machine(kept)


def layers(kept: Mapping[str, Any]) -> str:
    """How much faster layers are than PyTorch's, how far from the floor, and where least."""
    head = ["method", "layout", "residual", "eager over normkit", "eager in place over normkit"]
    head += ["normkit over the floor", "least: the rival's time over normkit's"]
    lines = [
        [
            f"`{row['method']}`",
            row["layout"].replace("_", "-"),
            "yes" if row["residual"] else "no",
            *(f"{row['over_normkit'][rival]:.2f}" for rival in RIVALS),
            f"{row['times_floor']:.2f}",
            f"{row['worst']['ratio']:.2f} on {'×'.join(map(str, row['worst']['shape']))}",
        ]
        for row in kept["summary"]
    ]
    machine, shapes = kept["machine"], kept["summary"][0]["shapes"]
    told = (
        f"{machine['processor']}, {machine['threads']} threads, torch {kept['torch']}; float32, "
        f"{kept['act']}, forwards and backwards, a batch of {kept['batch']}; geometric means over "
        f"{shapes} shapes of ResNet-50, of medians of {kept['rounds']} rounds."
    )
    return markdown(head, lines) + f"\n{told}\n"


def small_layers(kept: Mapping[str, Any]) -> str:
    """Microseconds of a call on small maps."""
    head = ["method", "layout", "residual", "eager, µs", "in place, µs", "normkit, µs"]
    head += ["eager over normkit", "in place over normkit"]
    cases: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in kept["rows"]:
        case = (row["method"], row["layout"], row["residual"])
        cases.setdefault(case, {})[row["contestant"]] = row
    lines = [
        [
            *(f"`{method}`", layout.replace("_", "-"), "yes" if residual else "no"),
            *(f"{1e6 * paths[name]['median']:.0f}" for name in (*RIVALS, "normkit")),
            *(f"{paths[name]['median'] / paths['normkit']['median']:.2f}" for name in RIVALS),
        ]
        for (method, layout, residual), paths in cases.items()
    ]
    shape = "×".join(map(str, kept["rows"][0]["shape"]))
    told = f"{shape}, float32, {kept['act']}, forwards and backwards; medians of {kept['rounds']}"
    return markdown(head, lines) + f"\n{told} rounds, on the machine of the table above.\n"


def lean(kept: Mapping[str, Any]) -> str:
    """What is held between forward and backward, at what price, and how exactly."""

    def within(target: float | None) -> str:
        return "" if target is None else f" (target {target:.2f})"

    head = ["network", "layout", "batch", "layers", "MiB held", "over PyTorch's", "ms"]
    head += ["time over PyTorch's", "gradients off PyTorch's by", "off float64's by"]
    lines = [
        [
            *of_network(row),
            row["layers"],
            f"{row['bytes'] / 2**20:.0f}",
            f"{row['bytes_ratio']:.2f}{within(row['bytes_target'])}",
            f"{row['milliseconds']['median']:.0f}",
            f"{spread(row['time_ratio'])}{within(row['time_target'])}",
            *(small(row[name]) for name in ("from_pytorch", "from_float64")),
        ]
        for row in kept["rows"]
    ]
    return markdown(head, lines) + machine(kept)


def study_time(kept: Mapping[str, Any]) -> str:
    """How much sooner the same trials of a study are done with kernels."""
    head = ["norm", "trials that both studies have", "without kernels, s", "with them, s"]
    every = {key: sum(row[key] for row in kept["rows"]) for key in ("trials", "without", "with")}

    def line(name: str, row: Row) -> list[str]:
        times = (f"{row[key]:.0f}" for key in ("without", "with"))
        return [name, str(row["trials"]), *times, f"{row['without'] / row['with']:.2f}"]

    lines = [line(f"`{row['norm']}`", row) for row in kept["rows"]]
    lines.append(line("all of them", every))
    cpu, cores, workers = (kept["about"]["machine"][key] for key in ("cpu", "cores", "workers"))
    told = f"\n{cpu}, {cores} cores, {workers} workers, torch {kept['about']['torch']}.\n"
    return markdown([*head, "times as fast"], lines) + told


def fuse(kept: Mapping[str, Any]) -> str:
    """What a step of a stock network takes before and after it is fused."""
    steps = len(kept["rows"][0]["losses"]["stock"])
    head = ["network", "layout", "batch", "stock, ms", "fused, ms", "times as fast", "target"]
    head += [f"loss after {steps} steps: stock / fused / stock again", "page faults", "norms fused"]
    lines = [
        [
            *of_network(row),
            *(f"{row['milliseconds'][name]['median']:.0f}" for name in ("stock", "fused")),
            spread(row["ratio"]),
            "–" if row["target"] is None else f"{row['target']:.2f}",
            last_losses(row, "stock", "fused", "stock, disturbed"),
            " / ".join(f"{row['page_faults'][name]:,.0f}" for name in ("stock", "fused")),
            f"{row['sites']['in one call']} of {row['sites']['norms']}",
        ]
        for row in kept["rows"]
    ]
    return markdown(head, lines) + machine(kept)


def swap(kept: Mapping[str, Any]) -> str:
    """What a swap from batch norm costs a trained network, copied or calibrated."""
    head = ["seed", "trained with batch", f"γ, β copied to {kept['norm']}", "calibrated"]
    lines = [
        [str(row["seed"]), *(f"{row[n]:.1f} %" for n in ("trained", "copied", "calibrated"))]
        for row in kept["rows"]
    ]
    lost = [f"{kept['lost'][name]:.1f} points" for name in ("copied", "calibrated")]
    lines.append(["lost, median", "", *lost])
    images = kept["images"]
    return markdown(head, lines) + (
        f"\nAccuracy on {images['test']:,} test images of MNIST, after {kept['steps']} steps of "
        f"training; calibrated on {kept['samples']} training images, no training step.\n"
    )


VERBS = ("fold", "fuse", "insert", "swap", "remove")


def surgery(kept: Mapping[str, Any]) -> str:
    """Every model × every verb: sites done of those eligible, and how far the output moved."""

    def cell(found: Row) -> str:
        if not found["eligible"]:
            return "–"
        undone = "" if found["exact_undo"] else ", not undone"
        difference = small(found["difference"]) if found["difference"] else "0"
        return f"{found['done']}/{found['eligible']}, {difference}{undone}"

    def total(verb: str) -> str:
        found = [row["verbs"][verb] for row in kept["rows"]]
        done, eligible = (sum(each[key] for each in found) for key in ("done", "eligible"))
        largest = max(each["difference"] for each in found if each["eligible"])
        return f"**{done:,}/{eligible:,} ({done / eligible:.1%}), {small(largest)}**"

    lines = [
        [row["model"], row["origin"], *(cell(row["verbs"][verb]) for verb in VERBS)]
        for row in kept["rows"]
    ]
    lines.append([f"**{len(lines)} models**", "", *map(total, VERBS)])
    reasons: dict[tuple[str, str], dict[str, int]] = {}
    for row in kept["rows"]:
        for verb in VERBS:
            for reason in row["verbs"][verb]["refused"].values():
                models = reasons.setdefault((verb, _kind(reason, row)), {})
                models[row["model"]] = models.get(row["model"], 0) + 1
    refused = [
        [f"`{verb}_`", reason, str(sum(models.values())), ", ".join(models)]
        for (verb, reason), models in sorted(reasons.items())
    ]
    return (
        markdown(["model", "from", *(f"`{verb}_`" for verb in VERBS)], lines)
        + "\nEligible sites that were left alone:\n\n"
        + markdown(["verb", "why", "sites", "models"], refused)
    )


def _kind(reason: str, row: Row) -> str:
    """A reason without the names of one model's layers."""
    return re.sub(r"\b[\w]+(\.[\w]+)+\b(: \w+)?", "a layer", reason or "")


TABLES: dict[str, Callable[[Any], str]] = {
    "judges": judges,
    "repetitions": repetitions,
    "repetitions-before": repetitions,
    "resampling": resampling,
    "harness": harness,
    "layers": layers,
    "layers-kept-memory": layers,
    "layers-small": small_layers,
    "training_step": training_step,
    "lean": lean,
    "study_time": study_time,
}
SURGERY_TABLES: dict[str, Callable[[Any], str]] = {
    "swap": swap,
    "surgery": surgery,
    "fuse": fuse,
}
FRONT_PAGE_TABLES: dict[str, Callable[[Any], str]] = {"training_step": front_page}


def with_tables(page: str, tables: Mapping[str, Callable[[Any], str]] = TABLES) -> str:
    """The page, every table rebuilt from its results where there are any."""
    for name, table in tables.items():
        results = HERE / "results" / f"{name}.json"
        if not results.exists():
            continue
        before, rest = page.split(begin := BEGIN.format(name))
        _, after = rest.split(END, 1)
        page = before + begin + table(json.loads(results.read_text("utf-8"))) + END + after
    return page


def with_front_page_tables(page: str) -> str:
    """The repository's README, the tables of benchmarks rebuilt."""
    return with_tables(page, FRONT_PAGE_TABLES)


def with_surgery_tables(page: str) -> str:
    """The page about surgery, its tables rebuilt."""
    return with_tables(page, SURGERY_TABLES)


def main() -> None:
    """Rebuild the pages."""
    SURGERY.write_text(with_surgery_tables(SURGERY.read_text("utf-8")), "utf-8")
    README.write_text(with_tables(README.read_text("utf-8")), "utf-8")
    front = FRONT_PAGE.read_text("utf-8")
    FRONT_PAGE.write_text(with_front_page_tables(front), "utf-8")


if __name__ == "__main__":
    main()
