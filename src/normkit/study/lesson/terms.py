"""What the lesson's terms mean, one line each, and the papers that its methods come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from normkit.nn.catalogue import catalogue
from normkit.study.bilingual import Text, text

# Term → its meaning, and what a step's id or words must hold for it to be told.
_TERMS: tuple[tuple[Text, Text, str], ...] = (
    (
        text("batch", "批次"),
        text(
            "the images that one training step sees together",
            "一个训练步中一起输入网络的图像",
        ),
        "batch",
    ),
    (
        text("channel, map, position", "通道、特征图、位置"),
        text(
            "each filter of a convolution gives one channel; for one image it is a map, with a "
            "value at every position",
            "卷积的每个滤波器给出一个通道；对一张图像，它是一张特征图，每个位置有一个数值",
        ),
        "channel",
    ),
    (
        text("mean μ, variance σ²", "均值 μ、方差 σ²"),
        text(
            "the average of a set of values, and the average of their squared distances from it; "
            "the square root of the variance is the standard deviation",
            "一组数值的平均，以及它们与平均之差的平方的平均；方差的平方根是标准差",
        ),
        "μ",
    ),
    (
        text("ε", "ε"),
        text(
            "a small constant added to the variance, so that the division is never by zero",
            "加在方差上的小常数，使除数不会为零",
        ),
        "ε",
    ),
    (
        text("x̂", "x̂"),
        text(
            "a standardised value: how many standard deviations it lies from its set's mean",
            "标准化后的数值：它与所在组的均值相差多少个标准差",
        ),
        "x̂",
    ),
    (
        text("γ, β", "γ、β"),
        text(
            "weights of the norm, two for each channel, learnt like any others",
            "归一化层的权重，每个通道两个，与其他权重一样学得",
        ),
        "γ",
    ),
    (
        text("loss L, gradient", "损失 L、梯度"),
        text(
            "what training lowers, and how it would change with each value: ∂L/∂x for x",
            "训练所要降低的量，以及它随每个数值如何变化：对 x 记作 ∂L/∂x",
        ),
        "∂L",
    ),
    (
        text("correlation", "相关系数"),
        text(
            "from −1 to 1: how far two lists of numbers rise and fall together; 0 is not at all",
            "从 −1 到 1：两列数同升同降的程度；0 表示毫无关系",
        ),
        "correlation",
    ),
    (
        text("running mean, running variance", "滑动均值、滑动方差"),
        text(
            "averages over the batches of training, the latest counting most; used in evaluation",
            "训练各批次上的平均，越近的批次权重越大；用于评估",
        ),
        "running mean",
    ),
)

_METHODS = {
    "batch": text(
        "one mean and variance per channel, over the images of the batch and all positions",
        "每个通道一个均值和方差，取自批次中的所有图像与所有位置",
    ),
    "layer": text(
        "one per image, over all channels and positions",
        "每张图像一个均值和方差，取自所有通道与所有位置",
    ),
    "instance": text(
        "one per image and channel, over the positions",
        "每张图像的每个通道一个均值和方差，取自所有位置",
    ),
    "group": text(
        "one per image and group of channels, over these channels and all positions",
        "每张图像的每组通道一个均值和方差，取自该组通道与所有位置",
    ),
    "channel_layer": text(
        "one per image and position, over the channels",
        "每张图像的每个位置一个均值和方差，取自所有通道",
    ),
    "rms": text(
        "divides by the root of the mean square over the channels, without subtracting a mean",
        "除以各通道上均方的平方根，不减去均值",
    ),
    "sync_batch": text(
        "one mean and variance per channel, over the images of all processes and all positions",
        "每个通道一个均值和方差，取自所有进程的图像与所有位置",
    ),
    "ghost_batch": text(
        "one per channel and part of the batch, over its images and all positions",
        "批次的每一部分、每个通道各一个均值和方差，取自该部分的图像与所有位置",
    ),
    "split_batch": text(
        "one per channel and part of the batch, each part with γ and β of its own",
        "批次的每一部分、每个通道各一个均值和方差，各部分有自己的 γ 和 β",
    ),
    "batch_renorm": text(
        "batch norm, corrected towards the running statistics",
        "批归一化，并向滑动统计量校正",
    ),
    "frozen_batch": text(
        "a fixed scale and shift per channel, from statistics that no longer move",
        "每个通道固定的缩放与平移，统计量不再变化",
    ),
    "group_rms": text(
        "divides by the root of the mean square over a group of channels and all "
        "positions, without subtracting a mean",
        "除以一组通道与所有位置上均方的平方根，不减去均值",
    ),
    "positional": text(
        "one per image and position, over the channels; a later layer may be given them back",
        "每张图像的每个位置一个均值和方差，取自所有通道；可交还给后面的层",
    ),
    "local_response": text(
        "divides by a power of the squares in a window of channels",
        "除以相邻通道窗口内平方和的幂",
    ),
    "local_context": text(
        "one per image, group of channels and position, over a window around it",
        "每张图像、每组通道、每个位置一个均值和方差，取自其周围的窗口",
    ),
    "switchable": text(
        "a learned mixture of the statistics of instance, layer and batch norm",
        "实例、层与批归一化统计量的可学习混合",
    ),
    "batch_channel": text(
        "batch norm, then group norm",
        "先批归一化，再组归一化",
    ),
    "decorrelated_batch": text(
        "whitens the channels: subtracts their means and takes out their correlations",
        "白化各通道：减去均值并去除相关性",
    ),
    "iterative": text(
        "whitens the channels in part, by a few Newton iterations",
        "用几步牛顿迭代部分地白化各通道",
    ),
    "filter_response": text(
        "divides by the root of the mean square over the positions, then cuts off below "
        "a learned threshold",
        "除以各位置上均方的平方根，再以可学习的阈值从下方截断",
    ),
    "evonorm_b0": text(
        "norm and activation as one, by a deviation over the batch or one that grows "
        "with the value",
        "归一化与激活合一：除以批次上的标准差，或随数值增大的量",
    ),
    "evonorm_s0": text(
        "norm and activation as one: a gate for each value, and the deviation of a group "
        "of channels",
        "归一化与激活合一：逐值门控，并除以一组通道的标准差",
    ),
    "global_response": text(
        "scales each channel by its response against the mean one of all channels",
        "按每个通道的响应与所有通道平均响应之比缩放",
    ),
    "dynamic_tanh": text(
        "no statistic: a tanh of each value with one learned slope",
        "不取统计量：对每个值作斜率可学习的 tanh",
    ),
    "weight_norm": text(
        "on the weights: a length and a direction per output channel, each trained by itself",
        "作用于权重：每个输出通道的长度与方向分别训练",
    ),
    "spectral_norm": text(
        "on the weights: divides them by the largest singular value of their matrix",
        "作用于权重：除以权重矩阵的最大奇异值",
    ),
    "weight_standardization": text(
        "on the weights: one mean and variance per output channel, over its inputs",
        "作用于权重：每个输出通道一个均值和方差，取自其所有输入",
    ),
    "scaled_weight_standardization": text(
        "on the weights: one mean and variance per output channel, scaled by the number of inputs",
        "作用于权重：每个输出通道一个均值和方差，并按输入个数缩放",
    ),
    "none": text("the network without a norm", "不含归一化层的网络"),
}


def told(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The terms and methods that these steps use."""
    words = json.dumps(steps, ensure_ascii=False)
    terms = [
        {"term": term, "meaning": meaning, "norm": None, "paper": None}
        for term, meaning, sign in _TERMS
        if sign in words
    ]
    methods = [
        {"term": text("", ""), "meaning": meaning, "norm": method, "paper": _paper(method)}
        for method, meaning in _METHODS.items()
        if any(sign in words for sign in (f'"{method}"', f"`{method}`"))
    ]
    return terms + methods


def _paper(method: str) -> dict[str, str] | None:
    known = catalogue()[method]
    name, _, address = known.paper.rpartition(", ")
    return {"name": f"{name}, {known.year}", "address": address} if name else None
