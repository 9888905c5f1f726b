"""Every verb of surgery on every model of the zoo: what was done, and how far outputs moved.

    python benchmarks/surgery.py [--model resnet_basic] [--write]

The models are those of `benchmarks/zoo`, with statistics and affine parameters drawn at random.
A site is *eligible* by what one sees next to it, whatever a verb says of it:

- fold: a norm with running statistics beside a convolution or fully connected layer
- fuse: a norm whose output goes to a sum or an activation, and nowhere else
- insert: in the model without its norms, a convolution whose output goes to an activation
- swap: a norm over channels, of which there are all but those over the last axes

A difference is the largest of the output in float32, relative to its largest value. An undone
surgery leaves outputs and `state_dict` as they were, bit for bit, or the row says it does not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

import normkit as nk
from networks.machine import about
from normkit.surgery import Call, Flow, Surgery
from zoo import ZOO, Entry, lived

RESULTS = Path(__file__).parent / "results" / "surgery.json"

OVER_CHANNELS = (_BatchNorm, _InstanceNorm, nn.GroupNorm)
ACTIVATIONS = ("relu", "silu", "gelu", "hardswish", "sigmoid", "tanh", "elu", "mish", "softplus")
"""What the names of activations contain, in any case."""


def is_activation(call: Call) -> bool:
    """Whether a call is an activation, by its name."""
    return any(name in call.what.lower() for name in ACTIVATIONS)


def is_sum(call: Call) -> bool:
    """Whether a call adds two tensors of one shape."""
    return call.what in ("add", "add_") and len({*call.input_shapes}) == 1 < len(call.takes)


def foldable(seen: Flow, call: Call) -> bool:
    """Whether it is a norm with running statistics beside a layer that could take it in."""
    tracks = getattr(call.module, "running_var", None) is not None
    beside = [*seen.readers(call), *(source for source in seen.sources(call) if source)]
    return tracks and any(isinstance(each.module, _ConvNd | nn.Linear) for each in beside)


def fusable(seen: Flow, call: Call) -> bool:
    """Whether it is a norm that is followed by a sum or an activation, and by nothing else."""
    norm = isinstance(call.module, (*OVER_CHANNELS, nn.LayerNorm)) and not call.is_output
    readers = seen.readers(call)
    return norm and len(readers) == 1 and (is_sum(readers[0]) or is_activation(readers[0]))


def insertable(seen: Flow, call: Call) -> bool:
    """Whether it is a convolution of maps that is followed by an activation."""
    maps = any(size > 1 for shape in call.shapes for size in shape[2:])
    follows = any(is_activation(each) for each in seen.readers(call))
    return isinstance(call.module, _ConvNd) and maps and follows


def swappable(seen: Flow, call: Call) -> bool:
    """Whether it is a norm over channels."""
    return isinstance(call.module, OVER_CHANNELS)


@dataclass(frozen=True)
class Verb:
    """A verb, and which of its sites are eligible.

    `prepare` changes the model first; what it changed is not undone.
    """

    run: Callable[[nn.Module, Tensor], Surgery]
    eligible: Callable[[Flow, Call], bool]
    trains: bool = False
    prepare: Callable[[nn.Module, Tensor], object] = lambda model, example: None


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "fold": Verb(nk.fold_, foldable),
        "fuse": Verb(nk.fuse_, fusable, trains=True),
        "insert": Verb(
            lambda model, x: nk.insert_(model, "batch", x), insertable, prepare=nk.remove_
        ),
        "swap": Verb(lambda model, x: nk.swap_(model, "group", data=[x]), swappable),
        "remove": Verb(nk.remove_, swappable),
    }
)


def answer(entry: Entry, model: nn.Module, example: Tensor) -> Tensor:
    """What the model returns, with its running statistics left as they are."""
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    torch.manual_seed(0)
    with torch.no_grad():
        output = entry.output(model(example)).clone()
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])
    return output


def measured(entry: Entry, verb: Verb) -> dict[str, Any]:
    """What a verb does to a model, and whether it can be taken back."""
    example = entry.example()
    model = lived(entry).train(verb.trains)
    verb.prepare(model, example)
    seen = nk.flow(model, example)
    names = {module: name for name, module in model.named_modules()}
    eligible = {
        names[call.module]
        for call in seen
        if call.module is not None and call.module in names and verb.eligible(seen, call)
    }
    before = answer(entry, model, example)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    surgery = verb.run(model, example)
    after = answer(entry, model, example)
    surgery.undo()
    again = model.state_dict()
    exact = list(again) == list(state) and all(
        torch.equal(again[name], tensor) for name, tensor in state.items()
    )
    done = {site.name for site in surgery.sites if _is_done(site)}
    scale = float(before.abs().max())
    return {
        "eligible": len(eligible),
        "done": len(eligible & done),
        "difference": float((after - before).abs().max()) / scale,
        "exact_undo": exact and bool(torch.equal(answer(entry, model, example), before)),
        "refused": {
            site.name: site.refused
            for site in surgery.sites
            if site.name in eligible and site.name not in done
        },
    }


def _is_done(site: nk.surgery.Site) -> bool:
    """Whether a site was done; a fused norm alone only where its sum is fused with another."""
    if site.done is None or site.done == "normkit's layer":
        return site.refused is not None and "goes with the norm" in site.refused
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and, if asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", choices=list(ZOO), help="these ones only")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    if options.write and options.model:
        parser.error("--write keeps the rows of all models: leave --model out")
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for name in options.model or ZOO:
        entry = ZOO[name]
        verbs = {verb: measured(entry, how) for verb, how in VERBS.items()}
        rows.append({"model": name, "origin": entry.origin, "verbs": verbs})
        told = (
            f"{verb} {found['done']}/{found['eligible']} {found['difference']:.0e}"
            + ("" if found["exact_undo"] else " NOT UNDONE")
            for verb, found in verbs.items()
        )
        print(f"{name:34} {', '.join(told)}", flush=True)
    for verb in VERBS:
        found = [row["verbs"][verb] for row in rows]
        done, eligible = (sum(each[key] for each in found) for key in ("done", "eligible"))
        largest = max(each["difference"] for each in found)
        print(f"{verb}: {done} of {eligible} eligible sites, largest difference {largest:.1e}")
    if options.write:
        RESULTS.write_text(json.dumps({"about": about(), "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
