"""A normalization layer belongs between a convolution and its activation."""

from __future__ import annotations

import math
from functools import partial

from normkit.study.bilingual import Text, text
from normkit.study.claim import Axis, Claim, Finding, Plot
from normkit.study.context import Context, together
from normkit.study.record import Record
from normkit.study.tuning import Tuned, best_rate
from normkit.study.verdict import Effect, Verdict, paired

DELTA_LOSS = -0.05
"""Smallest difference of the test loss that matters, in nats."""

DELTA_ERROR = -0.005
"""Smallest difference of the test error that matters: half a percentage point."""

Trials = dict[tuple[str, str, int], Record | None]
"""Judged trials by norm, placement and seed."""


def judge(context: Context) -> Finding:
    """Test loss at equal budget, each placement tuned: one placement minus another, by seed."""
    plan = context.plan
    norms = [norm for norm in plan.arms("placement") if norm != "none"]
    if not plan.placements:
        told = text(
            "where this network has its norms cannot be set from outside",
            "无法从外部设定该网络中归一化层的位置",
        )
        return Finding([_verdict(context, norm, "after", [], told) for norm in norms], [])
    tuned = _tuned(context, norms)
    specs = {
        (norm, placement, seed): context.base(norm, seed, tuned[norm, placement].rate).but(
            placement=placement
        )
        for norm in norms
        for placement in plan.placements
        for seed in plan.seeds_of(norm)
    }
    specs |= {
        (norm, "before", seed): context.base(norm, seed)
        for norm in norms
        for seed in plan.seeds_of(norm)
    }
    trials = dict(zip(specs, context.need(specs.values()), strict=True))
    verdicts = [
        _verdict(
            context,
            norm,
            id_,
            _differences(context, trials, norm, placement, quantity),
            _untrained(context, trials, norm, placement),
        )
        for norm in norms
        for placement in plan.placements
        for id_, quantity in QUANTITIES[placement].items()
    ]
    return Finding(verdicts, [_figure(plan.placements, trials)])


def _tuned(context: Context, norms: list[str]) -> dict[tuple[str, str], Tuned]:
    """Each norm's best rate at every other place, found as its base rate was."""
    recipe = context.recipe
    searches = [(norm, placement) for norm in norms for placement in context.plan.placements]
    found = together(
        [
            partial(
                best_rate,
                context.plan,
                context.need,
                norm,
                placement=placement,
                init=recipe.init,
                depth=recipe.depth,
            )
            for norm, placement in searches
        ]
    )
    return dict(zip(searches, found, strict=True))


def tuned_rate(context: Context, norm: str, placement: str) -> float:
    """A norm's best rate at another place than the textbook's."""
    return _tuned(context, [norm])[norm, placement].rate


QUANTITIES = {
    "after": {"after": "test_loss", "after_error": "test_error"},
    "before_and_linear": {"linear": "test_loss", "linear_error": "test_error"},
}
"""Placement → verdict → what it compares. The claim holds where the textbook's place is lower."""

WHAT: dict[str, Text] = {
    "after": text(
        "Test loss with the norm before the activation minus after it",
        "测试损失：归一化在激活函数之前 − 之后",
    ),
    "after_error": text(
        "Test error with the norm before the activation minus after it",
        "测试错误率：归一化在激活函数之前 − 之后",
    ),
    "linear": text(
        "Test loss with the hidden linear layer normalised too minus without",
        "测试损失：全连接隐藏层也归一化 − 不归一化",
    ),
    "linear_error": text(
        "Test error with the hidden linear layer normalised too minus without",
        "测试错误率：全连接隐藏层也归一化 − 不归一化",
    ),
}


def _differences(
    context: Context, trials: Trials, norm: str, placement: str, quantity: str
) -> list[float]:
    """The textbook's place minus the other one, by seed; NaN without a partner."""
    differences = []
    for seed in context.plan.seeds_of(norm):
        before, other = trials[norm, "before", seed], trials[norm, placement, seed]
        if before is None or other is None:
            differences.append(math.nan)
            continue
        difference = before.value(quantity) - other.value(quantity)
        # For linear layers the textbook's place is the other one: to normalise them too.
        differences.append(difference if placement == "after" else -difference)
    return differences


def _untrained(context: Context, trials: Trials, norm: str, placement: str) -> Text | None:
    """Told where neither place gives networks that train: two that guess are equally bad."""
    seeds, recipe = context.plan.seeds_of(norm), context.recipe
    told = [recipe.untrained([trials[norm, p, s] for s in seeds]) for p in ("before", placement)]
    return recipe.nothing_learned or (told[0] and told[1])


def _verdict(
    context: Context, norm: str, id_: str, differences: list[float], undecided: Text | None
) -> Verdict:
    error = id_.endswith("_error")
    effect: Effect = paired(differences)
    return Verdict(
        id=id_,
        what=WHAT[id_],
        norm=norm,
        primary=not error,
        effect=effect,
        delta=DELTA_ERROR if error else DELTA_LOSS,
        claimed="less",
        style="points" if error else "difference",
        unit=text("percentage points", "个百分点") if error else text("nats", "nat"),
        exploratory=context.plan.is_exploratory(norm),
        undecided=undecided,
    )


PLACES: dict[str, Text] = {
    "before": text("before the activation", "激活函数之前"),
    "after": text("after the activation", "激活函数之后"),
    "before_and_linear": text("before, and in the linear layer", "之前，且全连接层也归一化"),
}


def _figure(placements: tuple[str, ...], trials: Trials) -> dict[str, object]:
    shown = ("before", *placements)
    rows = [
        {
            "placement": placement,
            "norm": norm,
            "seed": seed,
            "test_loss": loss if math.isfinite(loss) else None,
        }
        for place in shown
        for (norm, placement, seed), record in trials.items()
        if placement == place and record is not None
        for loss in [record.value("test_loss")]
    ]
    return Plot(
        id="loss",
        title=text("Test loss by place of the norm", "不同位置的测试损失"),
        caption=text(
            "At equal budget, the learning rate tuned for each place. One dot per seed. The "
            "network without norm has no such choice.",
            "训练步数相同，每种位置各自调学习率。每点为一个随机种子。无归一化的网络没有这种选择。",
        ),
        kind="points",
        x=Axis("norm", text("norm", "归一化方法"), "category"),
        y=Axis("test_loss", text("test loss, nats", "测试损失（nat）"), "log"),
        facet="placement",
        facets={place: PLACES[place] for place in shown},
        rows=rows,
    ).to_dict()


CLAIM = Claim(
    id="placement",
    order=15,
    title=text("Belongs before the activation", "应放在激活函数之前"),
    textbook=text(
        "A normalization layer is placed between a convolution and its activation, or between "
        "fully connected layers.",
        "归一化层通常放在卷积层与激活函数之间，或全连接层之间。",
    ),
    measured=text(
        "The same network with its norms before the activation and after it, and, where it has a "
        "hidden linear layer behind its convolutions, with that one normalised too; the rate is "
        "tuned for each place in the same way. Judged is the test loss at equal budget, paired by "
        "seed; 0.05 nats matter. The test error stands beside it.",
        "同一网络，归一化层分别放在激活函数之前和之后；"
        "若卷积之后有全连接隐藏层，则另外比较它也归一化的情形；"
        "每种位置用同样的方式各自调学习率。评判的量是训练步数相同时的测试损失，按随机种子配对；"
        "相差 0.05 nat 才算有意义。测试错误率列在旁边。",
    ),
    contested=text(
        "Before or after flips from network to network: each has been reported to be better. What "
        "is found here holds for this network and these images.",
        "放在之前还是之后，不同网络结论相反：两种都有人报告更好。这里的结果只适用于这个网络和这些图像。",
    ),
    advice={
        "supported": text(
            "Place the norm before the activation, as measured here.",
            "按这里的测量，请把归一化放在激活函数之前。",
        ),
        "refuted": text(
            "The textbook's place is no better here: try the norm after the activation in your "
            "network too, the figure shows what that gives.",
            "教科书的位置在这里并不更好：也请在您的网络中试试放在激活函数之后，效果见图。",
        ),
        "inconclusive": text(
            "The place makes no difference that this run could see: keep the one you have.",
            "本次实验看不出位置的差别：保持现状即可。",
        ),
    },
    judge=judge,
)
