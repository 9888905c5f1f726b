"""What is told of the sites of a verb."""

from __future__ import annotations

import torch
from torch import nn

from normkit.surgery.passes import outputs_at
from normkit.surgery.report import Report
from normkit.surgery.sites import names_of


def test_a_row_tells_what_was_done_or_why_not_and_how_far_the_output_moved() -> None:
    model, x = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), torch.randn(4, 2)
    report = Report(model, names_of(model))
    before = outputs_at(model, x, model)
    with torch.no_grad():
        for parameter in model[0].parameters():
            parameter.mul_(2)
    report.done[model[0]] = "doubled"
    report.refused[model[1]] = "it was not asked for"
    first, second = report.sites(outputs_at(model, x, model), before)
    assert (first.name, first.layer, first.done, first.refused) == ("0", "Linear", "doubled", None)
    assert first.difference == 1.0
    assert (second.done, second.refused, second.difference) == (None, "it was not asked for", None)
