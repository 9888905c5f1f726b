"""`normkit study`: the main job."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from normkit.cli.errors import UserError
from normkit.cli.progress import Watcher, duration
from normkit.user_code import is_spec, split

if TYPE_CHECKING:
    from normkit.study import Study

LONGEST_NAME = 80
"""Characters of a folder's name before the rest of it becomes a mark."""


def study(
    data: Annotated[
        str,
        typer.Option(
            help="`digits`, `folder:PATH` (a folder per class), `npz:PATH`, or a function of yours "
            "that returns images and labels: `package.module:name` or `file.py:name`."
        ),
    ] = "digits",
    model: Annotated[
        str,
        typer.Option(
            help="`plain`, `vgg`, `residual` or `mlp`, or a function of yours that makes the "
            "network, called with those of num_classes, in_channels and norm that it accepts."
        ),
    ] = "plain",
    norms: Annotated[
        str,
        typer.Option(
            help="Norms to compare with none, and rivals without norm (see `normkit list norms` "
            "and `normkit list rivals`)."
        ),
    ] = "batch,layer,instance,group",
    claims: Annotated[
        str, typer.Option(help="Claims to test (see `normkit list claims`); empty means all.")
    ] = "",
    budget: Annotated[
        str, typer.Option(help="`quick`, `standard`, or minutes: decides seeds and arms.")
    ] = "standard",
    out: Annotated[
        Path | None, typer.Option(help="The study's folder; a stopped study goes on there.")
    ] = None,
    lang: Annotated[
        Literal["en", "zh"], typer.Option(help="Language of the table and of the report.")
    ] = "en",
    steps: Annotated[int, typer.Option(help="Training steps of a trial.")] = 200,
    batch: Annotated[int, typer.Option(help="Images per step.")] = 32,
    optimizer: Annotated[
        str, typer.Option(help="`sgd` (momentum 0.9) or `adamw`; no weight decay with either.")
    ] = "sgd",
    schedule: Annotated[
        str, typer.Option(help="`constant`, or `cosine`: to zero at the last step.")
    ] = "constant",
    depth: Annotated[int | None, typer.Option(help="Layers of a built-in model.")] = None,
    width: Annotated[int | None, typer.Option(help="Channels of a built-in model.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed repeats the study independently.")] = 0,
    image_size: Annotated[
        int | None, typer.Option(help="Resize all images to this side, in pixels.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Use a stratified subset of this many images.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out files that are no images.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes, one thread each; one per processor by default.")
    ] = None,
    trial_seconds: Annotated[
        float | None,
        typer.Option(help="Stop a trial after so long; by default twenty times its estimate."),
    ] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to train.")] = "cpu",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its estimated time, and stop.")
    ] = False,
) -> None:
    """Measure what each normalization does for a CNN on real images, claim by claim.

    Nothing is downloaded: the default data are 1,797 real images of handwritten digits. The
    report is one HTML file; it opens in any browser.

    Examples:

        normkit study --budget quick

        normkit study --data folder:my_images --model residual --norms batch,group

        normkit study --model nets.py:make --data nets.py:cells

        normkit study --claims convergence,initialisation --budget 30
    """
    from normkit.data import DataError
    from normkit.study import StoreError, Study, WorkerError

    console = Console(highlight=False)
    try:
        wanted = Study(
            data=data,
            model=model,
            norms=tuple(_names(norms)),
            claims=tuple(_names(claims)) or None,
            budget=_budget(budget),
            steps=steps,
            batch=batch,
            optimizer=optimizer,
            schedule=schedule,
            depth=depth,
            width=width,
            seed=seed,
            image_size=image_size,
            limit=limit,
            skip_bad=skip_bad,
            workers=workers,
            trial_seconds=trial_seconds,
            device=device,
        )
        with Watcher(console) as watch:
            if dry_run:
                from normkit.cli.outline import shown

                outline = wanted.outline(wanted.prepare(watch))
            else:
                result = wanted.run(out or Path("studies") / _folder_name(wanted), watch)
    except (DataError, StoreError, WorkerError, ValueError) as error:
        raise UserError(str(error)) from error
    if dry_run:
        console.print(shown(outline), markup=False, soft_wrap=True)
        return

    from normkit import report

    try:
        path = result.report(lang="both")
    except OSError as error:
        raise UserError(f"could not write the report: {error}; the results are kept") from error
    if lang != "en":
        path = path.with_name(f"report.{lang}.html")
    typer.echo(report.text(result.document, lang))
    took = duration(result.document["seconds"])
    console.print(f"{took}. The report: {path}", markup=False, soft_wrap=True)


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _budget(given: str) -> Literal["quick", "standard"] | float:
    try:
        return float(given)
    except ValueError:
        return given  # type: ignore[return-value]


def _folder_name(study: Study) -> str:
    """Another name for every study with other results: its data, its model, and what was chosen."""
    from normkit.data import is_factory

    data, model = study.data_spec, study.model_spec
    if is_factory(data):
        source = _of_a_function(data)
    else:
        source = _of_a_path(Path(data.split(":", 1)[1]).expanduser()) if ":" in data else data
    chosen = {
        name: value
        for name, value in study.chosen().items()
        # With another budget a study goes on from what it has.
        if name not in ("data", "model", "budget", "workers", "trial_seconds")
    }
    words = [source, _of_a_function(model) if is_spec(model) else model]
    words += [_of_a_setting(name, value) for name, value in chosen.items()]
    name = "-".join(words)
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}-{_told_apart(name)}"


def _of_a_setting(name: str, value: Any) -> str:
    """`cosine`, `batch+group`, `seed-1` or `skip-bad`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "+".join(value)
    label = name.replace("_", "-")
    return label if value is True else f"{label}-{value}".removesuffix(".0")


def _of_a_function(spec: str) -> str:
    """`nets/mine.py:make` and `nets.mine:make` give `nets.mine.make`."""
    home, name = split(spec)
    return f"{_of_a_path(Path(home).with_suffix('')) if home.endswith('.py') else home}.{name}"


def _of_a_path(path: Path) -> str:
    """`images` and `nets.mine.py` of what lies under the current folder, else its name, marked."""
    whole, here = path.resolve(), Path.cwd()
    if whole != here and whole.is_relative_to(here):
        return ".".join(whole.relative_to(here).parts)
    return f"{whole.name}-{_told_apart(str(whole))}"


def _told_apart(text: str) -> str:
    """A few characters that differ between texts that look the same."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]
