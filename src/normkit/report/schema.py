"""The results document, schema 1, as types: what a study writes and what a report reads.

Every number may be null where the type says so: not finite, never reached, or not measured. Shares,
errors and percentage points are fractions (0.02 is 2 %). A claim's `delta` is a position on the
effect's own scale: under `claimed = "greater"` the claim holds above it, under `"less"` below it,
and under `"equal"` between it and its mirror image about `no_effect`.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

SCHEMA = 1
CONFIDENCE = 0.95
"""That of an interval whose verdict does not say."""

Outcome = Literal["supported", "refuted", "inconclusive"]
Claimed = Literal["greater", "less", "equal"]
EffectStyle = Literal["ratio", "difference", "points", "share", "log10", "value"]
ColumnFormat = Literal["percent", "number", "seconds", "milliseconds", "bytes", "ratio", "rate"]
FigureKind = Literal["lines", "points", "intervals", "heat", "histogram", "ridges"]
Condition = Literal["target", "threshold", "machine"]
"""What a number stands on that each study finds for itself: the target that is to be reached, the
accuracy from which a run counts as trained, or the machine that keeps the time."""
Cell = str | float | bool | None


class Text(TypedDict):
    """The same words in each language of the report."""

    en: str
    zh: str


class Machine(TypedDict):
    cpu: str
    cores: int
    workers: int
    device: str


class Trials(TypedDict):
    run: int
    reused: int
    diverged: int
    failed: int


class Data(TypedDict):
    """`fingerprint` is of the images, their labels and their parts, whatever they are called.

    Where it is not said, or `augmented` is not, a study of an older version does not tell.
    """

    spec: str
    fingerprint: NotRequired[str]
    augmented: NotRequired[bool]
    classes: list[str]
    channels: int
    image_size: list[int]
    train: int
    validation: int
    test: int
    skipped: list[list[str]]
    notes: list[Text]


class Model(TypedDict):
    name: str
    depth: int | None
    width: int | None
    parameters: int
    description: Text


class Recipe(TypedDict):
    """The base recipe: the one in which the network without normalization trains.

    `target` is the training accuracy whose first reaching is timed, `threshold` that from which a
    run counts as trained.
    """

    init: str
    depth: int | None
    steps: int
    batch: int
    optimizer: str
    schedule: NotRequired[Literal["constant", "cosine"]]
    """Constant where it is not said."""
    momentum: float | None
    rates: dict[str, float | None]
    target: NotRequired[float | None]
    threshold: NotRequired[float | None]
    seeds: list[int]
    seeds_told: Text
    why: Text
    found: bool


class Column(TypedDict):
    id: str
    title: Text
    format: ColumnFormat
    better: Literal["low", "high"] | None
    depends: NotRequired[list[Condition]]


class Measured(TypedDict):
    value: float | None
    low: float | None
    high: float | None


class ChoiceRow(TypedDict):
    norm: str
    seeds: int
    exploratory: bool
    values: dict[str, Measured]


class Choices(TypedDict):
    columns: list[Column]
    rows: list[ChoiceRow]
    note: Text


class AdvicePoint(TypedDict):
    """One question that advice answers, in sentences that hold the numbers they rest on."""

    id: Literal["norm", "place", "rate", "batch", "price", "runner_up", "change", "untested"]
    texts: list[Text]


class Advice(TypedDict):
    norm: str | None
    points: list[AdvicePoint]


class Verdict(TypedDict):
    id: str
    what: Text
    primary: bool
    norm: str
    outcome: Outcome
    exploratory: bool
    effect: float | None
    low: float | None
    high: float | None
    delta: float | None
    no_effect: float | None
    claimed: Claimed
    style: EffectStyle
    unit: Text
    depends: NotRequired[list[Condition]]
    confidence: NotRequired[float]
    seeds: int
    detectable: float | None
    note: Text | None


class Axis(TypedDict):
    field: str
    label: Text
    scale: Literal["linear", "log", "category"]


class Shade(TypedDict):
    """What the colour of a heat map's cell means, or the height of a ridge."""

    field: str
    label: Text
    format: ColumnFormat


class Reference(TypedDict):
    axis: Literal["x", "y"]
    value: float
    label: Text


class Figure(TypedDict):
    """One figure: `rows` is both what is drawn and what its CSV holds.

    What the range from `low` to `high` is, of all seeds or an interval, the caption says.
    """

    id: str
    title: Text
    caption: Text
    kind: FigureKind
    x: Axis
    y: Axis
    series: str | None
    facet: NotRequired[str | None]
    facets: NotRequired[dict[str, Text]]
    low: NotRequired[str | None]
    high: NotRequired[str | None]
    value: NotRequired[Shade | None]
    references: NotRequired[list[Reference]]
    rows: list[dict[str, Cell]]


class Claim(TypedDict):
    id: str
    headline: bool
    title: Text
    textbook: Text
    measured: Text
    contested: Text
    advice: Text
    verdicts: list[Verdict]
    figures: list[Figure]


class LessonImage(TypedDict):
    """One image of the batch: a PNG in base64, and what it is."""

    png: str
    label: Text


class Formula(TypedDict):
    """`form` with a number where `{name}` stands; `{name()}` puts a negative in parentheses."""

    form: str
    values: dict[str, float]


class LessonColumn(TypedDict):
    label: Text
    norm: str | None


class LessonRow(TypedDict):
    """`image` is the place of the image that the row is about; `marked` a cell to point out."""

    label: Text
    image: int | None
    cells: list[float | None]
    marked: int | None


class LessonTable(TypedDict):
    caption: Text
    head: Text
    columns: list[LessonColumn]
    rows: list[LessonRow]


class MapsPanel(TypedDict):
    """One norm's picture: `shared` lists the maps, as [image, channel], of one set of values."""

    norm: str
    said: Text
    shared: list[list[int]]


class Maps(TypedDict):
    """The maps of some images and channels; `values` by image, channel and position."""

    title: Text
    caption: Text
    across: Text
    down: Text
    size: list[int]
    first_channel: int
    values: list[list[list[float]]]
    panels: list[MapsPanel]


class LessonStep(TypedDict):
    id: str
    title: Text
    said: list[Text]
    formulas: list[Formula]
    maps: Maps | None
    tables: list[LessonTable]
    figures: list[Figure]
    after: list[Text]


class Paper(TypedDict):
    name: str
    address: str


class Term(TypedDict):
    """What a term means, or a norm, whose name stands in place of the term."""

    term: Text
    meaning: Text
    norm: str | None
    paper: Paper | None


class Lesson(TypedDict):
    """How a batch is normalised, in the numbers of the study's own network."""

    lead: list[Text]
    images: list[LessonImage]
    steps: list[LessonStep]
    terms: list[Term]


class Results(TypedDict):
    """`source` is a digest of the user's code that takes part, `code` one of normkit's own.

    The first is not said where there is none, neither is by a study of an older version.
    """

    schema: int
    title: Text
    normkit: str
    code: NotRequired[str]
    source: NotRequired[str]
    torch: str
    python: str
    machine: Machine
    started: str
    seconds: float | None
    complete: bool
    trials: Trials
    budget: str
    dropped: list[Text]
    failures: list[Text]
    command: str
    data: Data
    model: Model
    recipe: Recipe
    choices: Choices
    advice: NotRequired[Advice]
    lesson: NotRequired[Lesson]
    claims: list[Claim]
