"""Which norm a study's measurements speak for, and which comes next."""

from __future__ import annotations

import math
from collections.abc import Sequence

from normkit.report import formats
from normkit.study.advice.measured import apart, error_text, is_clear, mean, percent
from normkit.study.bilingual import Text, in_chinese, in_english, joined, text
from normkit.study.context import Context, Runs
from normkit.study.verdict import CONFIDENCE


def nothing(context: Context) -> Text:
    """Told where no network trained."""
    steps = context.plan.prototype.steps
    return text(
        f"None: no network trained in {steps} steps, so that there is nothing to choose between. "
        "Train longer, or try another depth.",
        f"无：在 {steps} 步内没有任何网络训练成功，无从选择。请训练更久，或换一种深度。",
    )


def choice(runs: Runs, ranked: Sequence[str]) -> Text:
    """The arm that is best in validation, its test error, and the arms that come close to it."""
    best = ranked[0]
    validation = percent(mean(runs[best], "validation_error"))
    told = text(
        f"`{best}`: of {len(runs)} networks compared it has the lowest validation error "
        f"({validation}), by which it is chosen. Its error on the test images is "
        f"{error_text(runs[best])}",
        f"`{best}`：在比较的 {len(runs)} 种网络中，它的验证错误率最低（{validation}），据此选定。"
        f"它在测试图像上的错误率为 {error_text(runs[best])}",
    )
    if best != "none" and runs.get("none"):
        without = error_text(runs["none"])
        told = joined(told, text(f"; without norm it is {without}.", f"；无归一化时为 {without}。"))
    else:
        told = joined(told, text(".", "。"))
    effects = {norm: apart(runs, norm, best) for norm in ranked[1:]}
    if close := [norm for norm, effect in effects.items() if not is_clear(effect)]:
        told = joined(
            told,
            text(
                f" Not clearly worse there: {in_english(close)}.",
                f"与之没有明显差距的有：{in_chinese(close)}。",
            ),
        )
    if better := [n for n, effect in effects.items() if is_clear(effect) and effect.value < 0]:
        told = joined(
            told,
            text(
                f" Clearly better there, though not in validation: {in_english(better)}.",
                f"在测试图像上明显更好（但验证时并非如此）的有：{in_chinese(better)}。",
            ),
        )
    return told


def runner_up(runs: Runs, ranked: Sequence[str]) -> list[Text]:
    """The arm that comes second in validation, and whether it can be told from the first."""
    if len(ranked) < 2:
        return []
    best, second = ranked[:2]
    effect = apart(runs, second, best)
    low, high = effect.interval(CONFIDENCE)
    shown = formats.effect_values([effect.value, low, high], "points")
    told = text(
        f"`{second}`: test error {error_text(runs[second])}",
        f"`{second}`：测试错误率 {error_text(runs[second])}",
    )
    if not math.isfinite(low):
        return [joined(told, text(".", "。"))]
    if not is_clear(effect):
        said = ("the two cannot be told apart", "两者无法区分")
    elif effect.value > 0:
        said = ("clearly worse", "明显更差")
    else:
        said = ("clearly better, though not in validation", "明显更好，但验证时并非如此")
    return [
        joined(
            told,
            text(
                f", {shown[0]} pp [{shown[1]}, {shown[2]}] against `{best}` over {effect.seeds} "
                f"shared seeds: {said[0]}.",
                f"，与 `{best}` 相差 {shown[0]} 个百分点 [{shown[1]}, {shown[2]}]"
                f"（共有的 {effect.seeds} 个随机种子）：{said[1]}。",
            ),
        )
    ]
