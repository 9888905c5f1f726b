"""What a swap from batch to group normalization costs a trained network, without a training step.

    mkdir mnist && tar -xzf mnist.tar.gz -C mnist
    python benchmarks/swap.py --data folder:mnist [--write]

A convolutional network with batch normalization is trained on the images, once for each seed, and
its batch normalization is then made group normalization in two ways: by `swap_` with training
images to calibrate on, and by the copy of γ and β that hand-written loops make. Shown is the
accuracy on the test part of the network as it was trained and after each of the two.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import normkit as nk
from networks.machine import about
from normkit.data import Dataset, prepare

RESULTS = Path(__file__).parent / "results" / "swap.json"


def network(channels: int, classes: int) -> nn.Module:
    """Four convolutions with batch normalization and ReLU, for small images."""

    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    return nn.Sequential(
        *block(channels, 16, 1),
        *block(16, 32, 2),
        *block(32, 32, 1),
        *block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


class Part:
    """A part of the data in batches, standardised."""

    def __init__(self, data: Dataset, indices: np.ndarray[Any, Any]) -> None:
        images, labels = data.tensors()
        self.data = data
        chosen = torch.as_tensor(indices)
        self.images, self.labels = images[chosen], labels[chosen]

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over it."""
        order = torch.arange(len(self)) if order is None else order
        for chosen in torch.split(order, size):
            yield self.data.standardise(self.images[chosen]), self.labels[chosen]


def trained(data: Dataset, part: Part, seed: int, steps: int, batch: int) -> nn.Module:
    """A network after some steps of SGD with momentum."""
    torch.manual_seed(seed)
    model = network(data.channels, len(data.classes))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    taken = 0
    while taken < steps:
        for images, labels in part.batches(batch, torch.randperm(len(part))):
            if taken == steps or len(labels) < batch:
                break
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            taken += 1
    return model.eval()


def accuracy(model: nn.Module, part: Part) -> float:
    """The share of a part that the network recognises, in percent."""
    with torch.no_grad():
        right = sum(
            int((model(images).argmax(1) == labels).sum()) for images, labels in part.batches(500)
        )
    return 100 * right / len(part)


def measured(
    data: Dataset, seed: int, steps: int, batch: int, samples: int, norm: str
) -> dict[str, Any]:
    """The accuracies of one network."""
    train, test = Part(data, data.train), Part(data, data.test)
    model = trained(data, train, seed, steps, batch)
    found = {"seed": seed, "trained": accuracy(model, test)}
    images, _ = next(train.batches(samples, torch.randperm(len(train))))
    copied = nk.swap_(model, norm, example=images)
    found["copied"] = accuracy(model, test)
    copied.undo()
    surgery = nk.swap_(model, norm, data=[images])
    found["calibrated"] = accuracy(model, test)
    surgery.undo()
    found["undone"] = accuracy(model, test)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, if asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="as `normkit study` takes it")
    parser.add_argument("--norm", default="group")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=512, help="to calibrate on")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    data = prepare(options.data)
    rows = []
    for seed in range(options.seeds):
        rows.append(
            measured(data, seed, options.steps, options.batch, options.samples, options.norm)
        )
        print(", ".join(f"{name} {value:.2f}" for name, value in rows[-1].items()), flush=True)
    lost = {
        name: statistics.median(row["trained"] - row[name] for row in rows)
        for name in ("copied", "calibrated")
    }
    print("points of accuracy lost, median:", {name: round(n, 2) for name, n in lost.items()})
    if options.write:
        kept = {
            "about": about(),
            "norm": options.norm,
            "steps": options.steps,
            "samples": options.samples,
            "images": {"training": len(data.train), "test": len(data.test)},
            "target": 5.0,
            "lost": lost,
            "rows": rows,
        }
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
