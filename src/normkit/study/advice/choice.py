"""Which norm a study's measurements speak for, and which comes next."""

from __future__ import annotations

import math
from collections.abc import Sequence

from normkit.report import formats
from normkit.study.advice.measured import apart, error_text, is_clear, percent
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


def choice(runs: Runs, ranked: Sequence[str], validation: float, seeds: int) -> Text:
    """The arm that is best in validation, its test error, and the arms that come close to it.

    Args:
        runs: finished trials by norm and seed.
        ranked: the arms that train, the best in validation first.
        validation: the best one's validation error, on the seeds that all have.
        seeds: how many these are.
    """
    best = ranked[0]
    if len(ranked) > 1:
        why = text(
            f"of the {len(ranked)} networks that train it has the lowest validation error "
            f"({percent(validation)}, over the {seeds} seeds that all have), by which it is chosen",
            f"在 {len(ranked)} 种训练成功的网络中，它的验证错误率最低"
            f"（{percent(validation)}，取各方法共有的 {seeds} 个随机种子），据此选定",
        )
    else:
        why = text("no other network trained", "其他网络都未训练成功")
    told = text(
        f"`{best}`: {why['en']}. Its error on the test images is {error_text(runs[best])}",
        f"`{best}`：{why['zh']}。它在测试图像上的错误率为 {error_text(runs[best])}",
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
