"""Normalization prevents vanishing and exploding gradients."""

from __future__ import annotations

import math

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context
from normkit.study.plan import Plan
from normkit.study.record import Record
from normkit.study.verdict import Verdict, paired
from normkit.user_code import is_spec

DELTA = 0.05
"""Smallest difference of slopes that matters, in decades per layer: a factor 40 over 32 layers."""

VANISHED, EXPLODED = 1e-3, 1e3
"""Gradient norm at a layer's output, relative to the last layer's."""

STARTS = ("default", "he")


def starts_told(plan: Plan) -> dict[str, Text]:
    """The initialisations in words: a network of the user's may have one of its own."""
    own = is_spec(plan.prototype.model)
    return {
        "default": text("the network's own initialisation", "网络自身的初始化")
        if own
        else text("PyTorch's default initialisation", "PyTorch 默认初始化"),
        "he": text("He initialisation", "He 初始化"),
    }


def judge(context: Context) -> Finding:
    """Steepness of the gradient's log norm over depth: "none" minus the norm, by seed."""
    plan = context.plan
    arms = plan.arms("gradients")
    trials = {
        (norm, init, depth, seed): plan.trial(norm, seed, 0.0).but(init=init, depth=depth, steps=0)
        for norm in arms
        for init in STARTS
        for depth in plan.depths
        for seed in plan.seeds_of(norm)
    }
    training = {(norm, s): context.base(norm, s) for norm in arms for s in plan.seeds_of(norm)}
    context.need([*trials.values(), *training.values()], ("gradients",))
    start = dict(zip(trials, context.need(trials.values(), ("gradients",)), strict=True))
    trained = dict(zip(training, context.need(training.values(), ("gradients",)), strict=True))

    def steepness(norm: str, init: str, seed: int) -> float:
        slopes = [_slope(start[norm, init, depth, seed], "start") for depth in plan.depths]
        return sum(map(abs, slopes)) / len(slopes)

    verdicts: list[Verdict] = []
    for norm in arms:
        if norm == "none":
            continue
        seeds = plan.seeds_of(norm)
        for init, name in starts_told(plan).items():
            verdicts.append(
                _verdict(
                    context,
                    norm,
                    f"slope_{init}",
                    text(
                        f"Steepness taken away at the start, {name['en']}",
                        f"训练开始时减少的陡度，{name['zh']}",
                    ),
                    [steepness("none", init, s) - steepness(norm, init, s) for s in seeds],
                )
            )
        verdicts.append(
            _verdict(
                context,
                norm,
                "slope_trained",
                text(
                    "Steepness taken away after training, base recipe",
                    "训练结束时减少的陡度，基准方案",
                ),
                [
                    abs(_slope(trained["none", s], "end")) - abs(_slope(trained[norm, s], "end"))
                    for s in seeds
                ],
            )
        )
    return Finding(
        verdicts,
        [
            _profiles(context, start),
            _shares(context, start),
        ],
    )


def _slope(record: Record | None, moment: str) -> float:
    found = record.probes["gradients"].get(moment) if record else None
    slope = found["slope"] if found else None
    return math.nan if slope is None else float(slope)


def _verdict(
    context: Context, norm: str, id_: str, what: Text, differences: list[float]
) -> Verdict:
    return Verdict(
        id=id_,
        what=what,
        norm=norm,
        primary=id_ == "slope_default",
        effect=paired(differences),
        delta=DELTA,
        claimed="greater",
        style="difference",
        unit=text("decades per layer", "个数量级/层"),
        exploratory=context.plan.is_exploratory(norm),
    )


Runs = dict[tuple[str, str, int | None, int], Record | None]


def _relative(record: Record | None) -> list[float]:
    """Gradient norms at the start, relative to the last layer's."""
    start = record.probes["gradients"].get("start") if record else None
    if start is None:
        return []
    norms = [math.nan if n is None else n for n in start["norms"]]
    # A network may have a single layer, the classifier, and so none to look at.
    return [n / norms[-1] if norms[-1] else math.nan for n in norms]


def _profiles(context: Context, start: Runs) -> dict[str, object]:
    largest = context.plan.depths[-1]
    # Where a study cannot set the depth, it is that of the network.
    own = (len(_relative(r)) for (_, _, depth, _), r in start.items() if depth == largest)
    depth = largest or max(own, default=0)
    rows: list[dict[str, object]] = []
    for norm in context.plan.arms("gradients"):
        for init in STARTS:
            runs = [_relative(start[norm, init, largest, s]) for s in context.plan.seeds_of(norm)]
            for layer in range(depth):
                logs = [
                    math.log10(run[layer])
                    for run in runs
                    if len(run) > layer and math.isfinite(run[layer]) and run[layer] > 0
                ]
                rows.append(
                    {
                        "norm": norm,
                        "init": init,
                        "layer": layer + 1,
                        "gradient": 10 ** (sum(logs) / len(logs)) if logs else None,
                        "low": 10 ** min(logs) if logs else None,
                        "high": 10 ** max(logs) if logs else None,
                        "seeds": len(logs),
                    }
                )
    return Plot(
        id="profile",
        title=text(
            f"Gradient at each layer's output before training, {depth} layers",
            f"训练前各层输出处的梯度（{depth} 层）",
        ),
        caption=text(
            "Norm of the gradient with respect to the layer's output, relative to the last "
            "layer's; geometric mean over seeds, the band spans all. Flat is steady; falling "
            "towards the left vanishes, rising explodes.",
            "损失对各层输出的梯度范数，以最后一层为 1；对随机种子取几何平均，色带为全部范围。"
            "水平表示稳定；向左下降是梯度消失，向左上升是梯度爆炸。",
        ),
        kind="lines",
        x=Axis("layer", text("layer", "层")),
        y=Axis("gradient", text("relative gradient norm", "相对梯度范数"), "log"),
        low="low",
        high="high",
        facet="init",
        facets=starts_told(context.plan),
        references=[{"axis": "y", "value": 1.0, "label": text("steady", "稳定")}],
        rows=rows,
    ).to_dict()


def _shares(context: Context, start: Runs) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for norm in context.plan.arms("gradients"):
        for init in STARTS:
            for depth in context.plan.depths:
                runs = [_relative(start[norm, init, depth, s]) for s in context.plan.seeds_of(norm)]
                layers = [value for run in runs for value in run]
                if layers:
                    lost = sum(not VANISHED <= value <= EXPLODED for value in layers)
                    rows.append(
                        {
                            "norm": norm,
                            "init": init,
                            "depth": depth or max(map(len, runs)),
                            "share": lost / len(layers),
                            "vanished": sum(value < VANISHED for value in layers) / len(layers),
                            "exploded": sum(value > EXPLODED for value in layers) / len(layers),
                        }
                    )
    return Plot(
        id="shares",
        title=text("Share of layers vanished or exploded", "梯度消失或爆炸的层所占比例"),
        caption=text(
            "Layers whose gradient is more than a thousand times smaller or larger than the last "
            "layer's, before training, by depth.",
            "训练前，梯度比最后一层小一千倍以上或大一千倍以上的层所占比例，按网络深度列出。",
        ),
        kind="heat",
        x=Axis("depth", text("layers", "层数"), "category"),
        y=Axis("norm", text("norm", "归一化方法"), "category"),
        series=None,
        facet="init",
        facets=starts_told(context.plan),
        value={"field": "share", "label": text("share of layers", "层的比例"), "format": "percent"},
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="gradients",
    order=70,
    title=text("Prevents vanishing and exploding gradients", "防止梯度消失与梯度爆炸"),
    textbook=text(
        "Normalization keeps each layer's values in a steady range, so that gradients neither "
        "vanish nor explode on their way down.",
        "归一化使各层的数值保持在稳定范围内，梯度在反向传播中既不消失也不爆炸。",
    ),
    measured=text(
        "The gradient with respect to every layer's output, before training, over a sweep of "
        "depths; the slope of its log norm per layer, signs left out, paired by seed. Judged with "
        "the network's own initialisation, PyTorch's default in normkit's networks, which is what "
        "most get; He's stands beside it. A difference of 0.05 decades per layer matters.",
        "在训练前、不同深度下，测量损失对每层输出的梯度，取其范数的对数随层数变化的斜率（不计正负），"
        "按随机种子配对。以网络自身的初始化评判（normkit 的模型用 PyTorch 默认初始化，"
        "多数网络就是这样），He 初始化的结果列在旁边。"
        "每层相差 0.05 个数量级才算有意义。",
    ),
    contested=text(
        "Yang et al. (2019): deep plain networks with batch norm explode at the start, by about "
        "1.467 in square per fully connected layer, whatever the initialisation. With He's "
        "initialisation the network without norm needs no help.",
        "Yang 等（2019）：带批归一化的深层普通网络在初始时会梯度爆炸，每个全连接层使梯度平方约增大 "
        "1.467 倍，与初始化无关。若用 He 初始化，无归一化的网络本来就不需要帮助。",
    ),
    advice={
        "supported": text(
            "If you keep this initialisation, the norm keeps gradients steady; see whether He's, "
            "beside it, does so without one. For very deep networks add residual connections, and "
            "look at the figure: under batch norm the gradient itself grows with depth.",
            "若沿用这种初始化，归一化能使梯度保持平稳；请看旁边的 He 初始化是否不用归一化也能做到。"
            "网络很深时请加残差连接，并请看图：在批归一化下梯度自身会随深度增长。",
        ),
        "refuted": text(
            "Gradients were steady without it, or no steadier with it: change the initialisation "
            "or add residual connections before adding a norm for this reason.",
            "没有它梯度也平稳，或者有了它也并不更平稳：若只为此目的，请先改初始化或加残差连接。",
        ),
        "inconclusive": text(
            "Look at the profile below for your depth; the verdict needs more seeds.",
            "请看下图中与您的深度对应的曲线；要下结论需要更多随机种子。",
        ),
    },
    judge=judge,
)
