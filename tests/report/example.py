"""A results document as a study of digits would write it, with its awkward corners.

It holds every kind of figure, verdicts of every outcome, style and direction, nulls, a class name
that would be a script if it were not escaped, and names longer than a phone is wide.
"""

from __future__ import annotations

from typing import Any

from tests.report.example_lesson import lesson
from tests.report.example_parts import NORMS, text
from tests.report.example_speed import convergence, learning_rate, standardise
from tests.report.example_training import cost, gradients, initialisation, overfitting

SCRIPT = '<script>alert("digits")</script>'
LONG = "a-class-name-without-any-space-that-is-longer-than-a-phone-is-wide-" + 40 * "x"


def results() -> dict[str, Any]:
    """A fresh document; change it freely."""
    return {
        "schema": 1,
        "title": text(
            "What normalization does for a CNN on digits",
            "归一化为 CNN 带来什么：digits 数据集",
        ),
        "normkit": "0.1.0",
        "torch": "2.13.0",
        "python": "3.11.7",
        "machine": {"cpu": "AMD EPYC 7R13", "cores": 2, "workers": 2, "device": "cpu"},
        "started": "2026-11-23T15:10:00+00:00",
        "seconds": 391.2,
        "complete": True,
        "trials": {"run": 520, "reused": 12, "diverged": 31, "failed": 1},
        "budget": "standard",
        "dropped": [
            text(
                "initialisation: gains 0.03 and 30, for all norms but batch",
                "权重初始化：除批归一化外，省去增益 0.03 与 30",
            )
        ],
        "failures": [
            text(
                "instance, rate 3, seed 4: out of memory; the trial counts as missing",
                "instance，学习率 3，种子 4：内存不足，该次试验按缺失计",
            )
        ],
        "command": (
            "normkit study --data digits --model plain --budget standard --out studies/digits"
        ),
        "data": {
            "spec": "digits",
            "classes": ["zero", "one", SCRIPT, LONG, *"456789"],
            "channels": 1,
            "image_size": [8, 8],
            "train": 1149,
            "validation": 288,
            "test": 360,
            "skipped": [["broken/0001.png", "not an image: the file is empty <0 bytes>"]],
            "notes": [
                text(
                    "Split by class, 64 / 16 / 20 %, with a fixed seed.",
                    "按类别以固定种子划分，比例 64 / 16 / 20 %。",
                )
            ],
        },
        "model": {
            "name": "plain",
            "depth": 8,
            "width": 16,
            "parameters": 17034,
            "description": text(
                "Eight 3×3 convolutions of 16 channels, each with norm and ReLU, then average "
                "pooling and a linear layer.",
                "八层 3×3 卷积，每层 16 通道，后接归一化与 ReLU，再接平均池化与一个线性层。",
            ),
        },
        "recipe": {
            "init": "he",
            "depth": 8,
            "steps": 200,
            "batch": 64,
            "optimizer": "sgd",
            "momentum": 0.9,
            "rates": {"none": 0.03, "batch": 0.1, "layer": 0.03, "instance": 0.03, "group": None},
            "seeds": list(range(8)),
            "seeds_told": text("8 judged, 4 for tuning", "评判 8 个，调优 4 个"),
            "why": text(
                "With PyTorch's default initialisation the network without normalization stays at "
                "chance at every rate; with He initialisation it reaches 95 %.",
                "用 PyTorch 默认初始化时，不用归一化的网络在任何学习率下都停在随机水平；用 He "
                "初始化可达 95 %。",
            ),
            "found": True,
        },
        "choices": choices(),
        "advice": advice(),
        "lesson": lesson(),
        "claims": [
            standardise(),
            convergence(),
            learning_rate(),
            overfitting(),
            initialisation(),
            gradients(),
            cost(),
        ],
    }


def advice() -> dict[str, Any]:
    return {
        "norm": "batch",
        "points": [
            {
                "id": "norm",
                "texts": [
                    text(
                        "`batch`: its error on the test images is 1.7 % [1.4, 2.0].",
                        "`batch`：它在测试图像上的错误率为 1.7 % [1.4, 2.0]。",
                    )
                ],
            },
            {
                "id": "change",
                "texts": [
                    text("More seeds: the order is not settled.", "更多随机种子：先后尚未确定。"),
                    text("A name of a class: <b>five</b>.", "类别名称：<b>five</b>。"),
                ],
            },
        ],
    }


def measured(value: float | None, spread: float | None) -> dict[str, float | None]:
    if value is None or spread is None:
        return {"value": value, "low": None, "high": None}
    return {"value": value, "low": value / spread, "high": value * spread}


def choices() -> dict[str, Any]:
    columns = [
        ("test_error", "Test error", "测试误差", "percent", "low"),
        ("steps", "Steps to target", "到达目标的步数", "number", "low"),
        ("time", "Time to target", "到达目标的时间", "seconds", "low"),
        ("step_time", "Time per step", "每步时间", "milliseconds", "low"),
        ("memory", "Held for backward", "反向传播占用内存", "bytes", "low"),
    ]
    values = {
        "none": [(0.047, 1.25), (96.0, 1.2), (0.45, 1.2), (4.7, 1.04), (1_966_080.0, None)],
        "batch": [(0.017, 1.2), (31.0, 1.1), (0.19, 1.12), (6.1, 1.03), (3_538_944.0, None)],
        "layer": [(0.024, 1.5), (44.0, 1.3), (0.28, 1.3), (6.4, 1.05), (3_538_944.0, None)],
        "instance": [(0.088, 1.6), (None, None), (None, None), (6.6, 1.05), (3_538_944.0, None)],
        "group": [(0.021, 1.4), (40.0, 1.25), (0.26, 1.25), (6.5, 1.04), (3_538_944.0, None)],
    }
    rows = []
    for norm in NORMS:
        judged = norm in ("none", "batch")
        cells = {
            column[0]: measured(*pair) for column, pair in zip(columns, values[norm], strict=True)
        }
        rows.append(
            {
                "norm": norm,
                "seeds": 8 if judged else 3,
                "exploratory": not judged,
                "values": cells,
            }
        )
    return {
        "columns": [
            {"id": name, "title": text(en, zh), "format": kind, "better": better}
            for name, en, zh, kind, better in columns
        ],
        "rows": rows,
        "note": text(
            "Test error at equal budget, each norm at its own best rate. The target is the "
            "training "
            "loss that none reaches at the end, from the tuning seeds.",
            "测试误差在相同预算下测得，每种归一化用各自的最佳学习率。目标为不用归一化时最终达到"
            "的训练损失，由调参种子确定。",
        ),
    }
