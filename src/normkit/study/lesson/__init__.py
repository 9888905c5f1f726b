"""The lesson of a study's report: how a batch is normalised, in the numbers of its own network.

`ask` asks for the trials that it is told from, as a claim's judge does; `tell` tells it.
"""

from __future__ import annotations

from typing import Any

from normkit.data import Dataset
from normkit.study.bilingual import Text, text
from normkit.study.context import Context
from normkit.study.lesson import along_training, backward, forward, methods, terms
from normkit.study.lesson.pictures import pictures
from normkit.study.lesson.scene import Scene
from normkit.study.record import Record

PROBES = ("distributions", "lesson")


def ask(context: Context) -> dict[str, Record | None]:
    """One judged trial of each norm, of its first seed; None for one that failed.

    Raises:
        NeedTrials: they have not run yet.
    """
    plan = context.plan
    specs = [context.base(norm, plan.seeds_of(norm)[0]) for norm in plan.norms]
    return dict(zip(plan.norms, context.need(specs, PROBES), strict=True))


def tell(context: Context, data: Dataset) -> dict[str, Any]:
    """The lesson, as the results document has it."""
    records, headline = ask(context), context.plan.headline
    record = records[headline]
    found = record.probes["lesson"].get("end") if record else None
    figures = along_training.figures(records)
    steps = [along_training.step(figures)] if figures else []
    if record is None or found is None or "channel" not in found:
        lead = _why_not(headline, found)
        return {"lead": [lead], "images": [], "steps": steps, "terms": terms.told(steps)}
    scene = Scene(headline, found)
    images = pictures(record.spec, data, scene.shown_images)
    steps = [*forward.steps(scene), backward.step(scene), *methods.steps(scene), *steps]
    return {
        "lead": _lead(scene, record),
        "images": images,
        "steps": steps,
        "terms": terms.told(steps),
    }


def _why_not(headline: str, found: dict[str, Any] | None) -> Text:
    if found is None:
        return text(
            f"The network with `{headline}` did not train to its end, so there is no trained layer "
            "to follow a batch through.",
            f"使用 `{headline}` 的网络未能训练到底，因此没有训练好的层可供跟踪一批数据。",
        )
    if "layer" in found:
        return text(
            f"In the trained network with `{headline}` not all values and gradients of the layer "
            "are finite numbers, so a batch cannot be followed through it.",
            f"在使用 `{headline}` 训练后的网络中，该层的数值或梯度并非全部有限，"
            "因此无法跟踪一批数据。",
        )
    return text(
        "No norm of this network follows a convolution: its layers give one number per channel "
        "and image, without positions. How the norms share means and variances over images, "
        "channels and positions can be shown on a convolutional network only, such as `plain`.",
        "这个网络中没有接在卷积之后的归一化层：它的每一层对每张图像、每个通道只给出一个数，没有位置。"
        "各方法如何在图像、通道与位置之间共用均值和方差，只能在卷积网络（如 `plain`）上展示。",
    )


def _lead(scene: Scene, record: Record) -> list[Text]:
    n, c, height, width = scene.shape
    said = [
        text(
            f"This is one batch of {n} images on its way through one norm layer: number "
            f"{scene.layer} of {scene.layers} in the network with `{scene.norm}`, after its "
            f"{record.spec.steps} training steps (seed {record.spec.seed}). The convolution before "
            f"it has made of each image {c} channels, each a map of {height} × {width} positions. "
            f"The numbers are those of channel {scene.channel + 1}: of the half of the channels "
            "that vary most it is the one whose gradient batch norm changes most.",
            f"下面跟踪一批 {n} 张图像通过一个归一化层的全过程：使用 `{scene.norm}` 的网络共有 "
            f"{scene.layers} 个归一化层，这是训练 {record.spec.steps} 步之后的第 {scene.layer} 个"
            f"（随机种子 {record.spec.seed}）。前面的卷积把每张图像变成 {c} 个通道，"
            f"每个通道是一张 {height} × {width} 个位置的特征图。"
            f"数字取自第 {scene.channel + 1} 个通道："
            "在变化较大的那一半通道中，它的梯度被批归一化改变得最多。",
        )
    ]
    if not scene.is_batch:
        weights, chinese = (
            (" with its γ and β", "该层的 γ 与 β、")
            if scene.is_affine
            else (" with γ = 1 and β = 0, since it has none for each channel,", "")
        )
        said.append(
            text(
                f"The layer is a `{scene.found['type']}`. Batch norm's formula comes first all the "
                f"same, on the values that enter this layer,{weights} and with the gradient that "
                "arrives at it; the other methods follow on the same values.",
                f"该层是 `{scene.found['type']}`。这里仍先讲批归一化的公式："
                f"输入该层的数值、{chinese}以及传到该层的梯度都是实测的；"
                + ("" if scene.is_affine else "该层没有每个通道各一个的 γ 与 β，这里取 1 与 0；")
                + "其他方法随后用同样的数值计算。",
            )
        )
    return said
