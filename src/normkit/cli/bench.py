"""`normkit bench`: how long layers take on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from normkit.cli.errors import Stopped, UserError
from normkit.cli.progress import Signs, duration

if TYPE_CHECKING:
    from normkit.bench import Bench

_RESIDUALS = {"no": (False,), "yes": (True,), "both": (False, True)}


def bench(
    methods: Annotated[
        str,
        typer.Option(
            help="`batch`, `layer`, `instance`, `group`, `channel_layer`, `rms`; empty means all."
        ),
    ] = "",
    shapes: Annotated[
        str,
        typer.Option(
            help="Maps as channels x height x width, `64x56x56`, or `64x56` for square ones; "
            "empty means those of ResNet-50."
        ),
    ] = "",
    batch: Annotated[
        int | None,
        typer.Option(
            help="Samples in a batch: 32, on a GPU 128, with --quick 2.", show_default=False
        ),
    ] = None,
    layouts: Annotated[str, typer.Option(help="Memory formats.")] = "contiguous,channels_last",
    dtypes: Annotated[
        str,
        typer.Option(
            help="`float32`, `float64`, `bfloat16`, `float16`; empty means `float32`, on a GPU "
            "`bfloat16`."
        ),
    ] = "",
    direction: Annotated[
        Literal["training", "inference", "both"],
        typer.Option(help="Forward and backward, or forward in evaluation."),
    ] = "training",
    residual: Annotated[
        Literal["no", "yes", "both"], typer.Option(help="Whether a residual is added.")
    ] = "no",
    act: Annotated[str, typer.Option(help="The activation's name, or `none`.")] = "relu",
    compiled: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Time torch.compile too, on a GPU also with max-autotune; off by default on a "
            "CPU, since each case compiles for many seconds there.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="PyTorch's threads; by default as many as it takes.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(help="Times that each path is timed: 15, with --quick 5.", show_default=False),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small batch, and few rounds.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the results to this JSON file.")] = None,
    chart: Annotated[Path | None, typer.Option(help="Draw them into this SVG file.")] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to run.")] = "cpu",
) -> None:
    """Time normalization layers on this machine: PyTorch's, normkit's, and the floor.

    The floor is the bytes that must move, at the speed of a copy measured in the same rounds. A
    path is timed only where its output and gradients have just been found right, against float64.

    Examples:

        normkit bench --quick

        normkit bench --methods batch --residual both --out bench.json --chart bench.svg

        normkit bench --methods group --shapes 64x56,256x14x28 --compile

        normkit bench --device cuda --methods batch,group --layouts channels_last --residual yes
    """
    import torch

    from normkit.bench import Bench, Settings
    from normkit.bench.cases import (
        BATCH,
        GPU_BATCH,
        GPU_DTYPE,
        METHODS,
        QUICK_BATCH,
        QUICK_ROUNDS,
        RESNET50,
        ROUNDS,
    )

    whole_batch = GPU_BATCH if device == "cuda" else BATCH
    default_batch, default_rounds = (QUICK_BATCH, QUICK_ROUNDS) if quick else (whole_batch, ROUNDS)
    compiled = device == "cuda" if compiled is None else compiled
    directions: Any = ("training", "inference") if direction == "both" else (direction,)
    try:
        wanted = Bench(
            Settings(
                methods=_names(methods) or METHODS,
                shapes=tuple(map(_shape, _names(shapes))) or RESNET50,
                batch=default_batch if batch is None else batch,
                layouts=_names(layouts),
                dtypes=_names(dtypes) or (GPU_DTYPE if device == "cuda" else "float32",),
                residuals=_RESIDUALS[residual],
                act=None if act == "none" else act,
                directions=directions,
                compiled=compiled,
                threads=threads,
                rounds=default_rounds if rounds is None else rounds,
                device=device,
            )
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    console = Console(highlight=False)
    if not compiled:
        why = ", which is slow to compile on a CPU" if device == "cpu" else ""
        console.print(f"Without torch.compile{why}: --compile adds it.")
    try:
        # Written before the first case too: whether it can be is not found out at the end.
        _write(wanted, out, chart)
        _watch(wanted, console, out)
    except KeyboardInterrupt:
        _show(wanted, console, out, chart)
        kept = "above" if out is None else f"in {out}"
        raise Stopped(f"Stopped. What was measured is {kept}.") from None
    except torch.OutOfMemoryError as error:
        _show(wanted, console, out, chart)
        raise UserError(
            "the GPU's memory does not hold a case, which is checked in float64: take a smaller "
            f"--batch, or --shapes without the largest. PyTorch says: {error}"
        ) from error
    _show(wanted, console, out, chart)


def _watch(wanted: Bench, console: Console, out: Path | None) -> None:
    with Signs(console, "cases") as signs:
        for event in wanted.run():
            if event.kind == "plan":
                told = duration(event.seconds_left)
                cases = "1 case" if event.total == 1 else f"{event.total} cases"
                console.print(f"{cases}, very roughly {told}.")
                signs.advance("timing", 0, event.total, event.seconds_left)
            else:
                signs.advance(str(event.case), event.done, event.total, event.seconds_left)
                _write(wanted, out, None)


def _show(wanted: Bench, console: Console, out: Path | None, chart: Path | None) -> None:
    from normkit.bench import table

    _write(wanted, out, chart)
    document = wanted.document()
    typer.echo(table.text(document))
    files = ", ".join(str(path) for path in (out, chart) if path is not None)
    written = f" Written: {files}" if files else ""
    console.print(f"{duration(document['seconds'])}.{written}", markup=False, soft_wrap=True)


def _write(wanted: Bench, out: Path | None, chart: Path | None) -> None:
    from normkit.files import write_whole

    document = wanted.document()
    try:
        if out is not None:
            write_whole(out, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        if chart is not None:
            from normkit.bench.chart import svg

            write_whole(chart, svg(document))
    except OSError as error:
        raise UserError(f"could not write the results: {error}") from error


def _names(given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())


def _shape(given: str) -> tuple[int, int, int]:
    try:
        sizes = [int(size) for size in given.split("x")]
        channels, height, width = sizes if len(sizes) == 3 else (*sizes, sizes[-1])
    except ValueError:
        raise ValueError(
            "a shape is channels x height x width, such as 64x56x56, or 64x56 for a square map; "
            f"got {given!r}."
        ) from None
    return channels, height, width
