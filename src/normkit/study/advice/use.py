"""How to use the norm that is chosen: where, at which rate and batch, and at what price."""

from __future__ import annotations

import math

from normkit.report import formats
from normkit.study.advice.measured import Judged, effect_text, find, lower
from normkit.study.bilingual import Text, joined, text
from normkit.study.claims.learning_rate import LARGEST, largest_rates
from normkit.study.claims.placement import tuned_rate
from normkit.study.context import Context


def place(context: Context, best: str, judged: Judged) -> list[Text]:
    """Before or after the activation, as measured; nothing where there is no norm to place."""
    if best == "none":
        return []
    if "placement" not in context.plan.adjustable:
        return [
            text(
                f"Where your network has it: this study did not try `{best}` in other places.",
                f"保持在您的网络中原有的位置：本实验没有在其他位置试过 `{best}`。",
            )
        ]
    verdict = find(judged, "placement", "after", best)
    if verdict is None:
        return [
            text(
                f"Before the activation: the only place in which this study measured `{best}`.",
                f"放在激活函数之前：本实验只在这个位置测量了 `{best}`。",
            )
        ]
    low, high = verdict.effect.interval(verdict.confidence)
    if high < 0:
        said = text("Before the activation", "放在激活函数之前")
    elif low > 0:
        said = text("After the activation", "放在激活函数之后")
    else:
        said = text(
            "Before the activation, as in all other trials; whether it would do better after it "
            "this study cannot tell",
            "放在激活函数之前，与其他各项试验相同；放在之后是否更好，本实验无法判断",
        )
    loss = effect_text(verdict)
    measured = text(
        f" (test loss before minus after it: {loss['en']} nats).",
        f"（测试损失，之前 − 之后：{loss['zh']} nat）。",
    )
    if low <= 0:
        return [joined(said, measured)]
    after = formats.number(tuned_rate(context, best, "after"))
    return [
        joined(
            said,
            measured,
            text(
                f" All other numbers here are of `{best}` before it; after it the best learning "
                f"rate is {after}.",
                f"这里的其他数字都是 `{best}` 放在激活函数之前时的；"
                f"放在之后时最佳学习率为 {after}。",
            ),
        )
    ]


def rate(context: Context, best: str) -> Text:
    """The best learning rate in validation, and how far above it training still succeeds."""
    plan, recipe = context.plan, context.recipe
    prototype, value = plan.prototype, formats.number(recipe.rates[best])
    sentences = [
        text(
            f"{value}: the best in validation for {prototype.steps} steps of {prototype.batch} "
            "images, on a grid of two rates per decade.",
            f"{value}：每步 {prototype.batch} 张图像、训练 {prototype.steps} 步时验证最好者"
            "（网格每十倍取两个学习率）。",
        )
    ]
    if best in recipe.at_edge:
        sentences.append(
            text(
                " It lies at the edge of those tried: one beyond it may be better.",
                "它位于所试范围的边缘：范围之外可能还有更好的。",
            )
        )
    if "learning_rate" in plan.claims and best in plan.arms("learning_rate"):
        largest = [r for (norm, _), r in largest_rates(context).items() if norm == best]
        if largest and all(map(math.isfinite, largest)):
            sentences.append(_still_trains(min(largest), recipe.rates[best]))
    return joined(*sentences)


def _still_trains(largest: float, advised: float) -> Text:
    """Up to which rate every seed trains, where that is not below the one advised."""
    if largest < advised:
        return text(" Not every seed trains at it.", "并非每个随机种子都能以它训练成功。")
    most, more = formats.number(largest), largest >= LARGEST
    return text(
        f" Up to {most}{', the largest tried,' * more} every seed still trains.",
        f"直到 {most}{'（所试最大值）' * more}，每个随机种子都仍能训练。",
    )


def batch(context: Context, best: str, judged: Judged) -> list[Text]:
    """The batch of the study, and what smaller ones were measured to do."""
    images = context.plan.prototype.batch
    kept = text(f"{images} images a step, as in this study.", f"每步 {images} 张图像，同本实验。")
    verdict = find(judged, "batch_size", "smallest", best)
    if verdict is None:
        return [kept]
    said = {
        "supported": text(" Statistics over fewer hurt", "统计量取自更少的图像有害"),
        "refuted": text(
            " Statistics over fewer do no harm by as much as matters",
            "统计量取自更少的图像，害处没有大到有意义的程度",
        ),
        "inconclusive": text(
            " Whether statistics over fewer hurt by as much as matters this study cannot tell",
            "统计量取自更少的图像，害处是否大到有意义的程度，本实验无法判断",
        ),
    }[verdict.outcome]
    error, what = effect_text(verdict), verdict.what
    measured = text(f" ({lower(what['en'])}: {error['en']}).", f"（{what['zh']}：{error['zh']}）。")
    return [joined(kept, said, measured)]


def price(best: str, judged: Judged) -> list[Text]:
    """What a step costs in time and memory, and whether the way to the target gets shorter."""
    sentences: list[Text] = []
    seconds, held = (find(judged, "cost", id_, best) for id_ in ("seconds", "bytes"))
    if seconds and held:
        time, memory = effect_text(seconds), effect_text(held)
        sentences.append(
            text(
                f"A training step takes {time['en']} the time of one without norm, and holds "
                f"{memory['en']} the memory for backward.",
                f"每个训练步的时间为无归一化的 {time['zh']}，"
                f"为反向传播保留的内存为 {memory['zh']}。",
            )
        )
    if target := find(judged, "convergence", "seconds", best):
        said = {
            "supported": text(
                "The training target is reached sooner all the same",
                "尽管如此，仍更快达到训练目标",
            ),
            "refuted": text(
                "The training target is not reached sooner by as much as matters",
                "达到训练目标的时间没有缩短到有意义的程度",
            ),
            "inconclusive": text(
                "Whether the training target is reached sooner by as much as matters this study "
                "cannot tell",
                "达到训练目标的时间是否缩短到有意义的程度，本实验无法判断",
            ),
        }[target.outcome]
        ratio = effect_text(target)
        measured = text(
            f" (seconds without norm over with it: {ratio['en']}).",
            f"（所需时间，无归一化 ÷ 有归一化：{ratio['zh']}）。",
        )
        sentences.append(joined(said, measured))
    return sentences
