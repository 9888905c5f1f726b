"""A verdict follows from where the whole interval lies, and from nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from normkit.study.bilingual import text
from normkit.study.verdict import (
    Effect,
    Verdict,
    added,
    exact,
    holm,
    negated,
    paired,
    share_difference,
    widened,
)


def verdict(
    effect: Effect, claimed: str = "greater", delta: float = 1.0, **more: object
) -> Verdict:
    return Verdict(
        id="x",
        what=text("x", "x"),
        norm="batch",
        primary=True,
        effect=effect,
        delta=delta,
        claimed=claimed,
        style="difference",
        unit=text("", ""),
        **more,
    )


def between(low: float, high: float) -> Effect:
    return Effect((low + high) / 2, lambda _: (low, high), 8)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (1.1, 2.0, "supported"),
        (0.1, 0.9, "refuted"),
        (0.9, 2.0, "inconclusive"),
        (1.0, 2.0, "inconclusive"),
        (-3.0, -2.0, "refuted"),
    ],
)
def test_supported_lies_beyond_delta_refuted_falls_short_of_it(low, high, outcome):
    assert verdict(between(low, high)).outcome == outcome


def test_a_claim_of_less_is_the_mirror_of_a_claim_of_greater():
    for low, high in ((1.1, 2.0), (0.1, 0.9), (0.9, 2.0)):
        mirrored = verdict(between(-high, -low), claimed="less", delta=-1.0)
        assert mirrored.outcome == verdict(between(low, high)).outcome


def test_an_identity_has_a_tolerance_on_both_sides():
    assert verdict(exact(0.5, 3), claimed="equal").outcome == "supported"
    assert verdict(exact(-0.5, 3), claimed="equal").outcome == "supported"
    assert verdict(exact(-1.5, 3), claimed="equal").outcome == "refuted"


def test_a_reason_not_to_decide_overrides_a_clear_interval():
    told = text("comparator never trained", "对照组从未训练成功")
    undecided = verdict(between(5, 6), undecided=told)
    assert undecided.outcome == "inconclusive"
    assert undecided.to_dict()["note"] == told


def test_the_paired_interval_is_students():
    differences = [0.1, 0.4, 0.3, 0.7, 0.2, 0.5]
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert paired(differences).interval(0.95) == pytest.approx((expected.low, expected.high))


def test_a_pair_without_partner_is_dropped():
    assert paired([0.1, math.nan, 0.3]).seeds == 2
    assert paired([0.1, math.nan, 0.3]).value == pytest.approx(0.2)


def test_one_pair_has_no_interval_and_no_verdict():
    assert paired([7.0]).interval(0.95) == (-math.inf, math.inf)
    assert verdict(paired([7.0])).outcome == "inconclusive"


def test_no_pair_gives_no_verdict_and_a_null():
    document = verdict(paired([])).to_dict()
    assert document["outcome"] == "inconclusive"
    assert document["effect"] is None


def test_equal_differences_of_a_coarse_measure_keep_a_spread():
    coarse, fine = paired([0.5] * 8, resolution=0.5), paired([0.5] * 8)
    assert fine.interval(0.95) == (0.5, 0.5)
    low, high = coarse.interval(0.95)
    assert high - low > 0.2


def test_a_systematic_error_widens_an_interval_on_both_sides():
    plain = paired([1.0, 2.0, 3.0])
    wide = widened(plain, 0.5)
    low, high = plain.interval(0.95)
    assert wide.interval(0.95) == (low - 0.5, high + 0.5)
    assert wide.value == plain.value


def test_a_difference_can_be_taken_the_other_way_round():
    effect = paired([1.0, 2.0, 4.0])
    low, high = effect.interval(0.95)
    assert negated(effect).interval(0.95) == (-high, -low)
    assert negated(effect).value == -effect.value


def test_a_sum_of_estimates_covers_the_sum_of_their_truths():
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        total = added(paired(random.normal(1, 0.3, 8)), paired(random.normal(-2, 0.1, 5)))
        low, high = total.interval(0.95)
        covered += low <= -1 <= high
    assert 0.935 <= covered / 1000 <= 0.965


def test_a_sum_with_an_estimate_of_no_spread_keeps_the_others_interval():
    effect = paired([1.0, 2.0, 4.0])
    total = added(effect, paired([3.0, 3.0]))
    low, high = effect.interval(0.95)
    assert total.interval(0.95) == pytest.approx((low + 3, high + 3))


def test_a_sum_with_a_single_pair_has_no_interval():
    assert added(paired([1.0]), paired([1.0, 2.0])).interval(0.95) == (-math.inf, math.inf)


def test_the_interval_of_shares_covers_at_least_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        a, b = generator.binomial(20, 0.7), generator.binomial(20, 0.4)
        low, high = share_difference(a, b, 20, 8).interval(0.95)
        covered += low <= 0.3 <= high
    assert covered / 400 >= 0.95


def test_shares_without_trials_give_no_verdict():
    assert verdict(share_difference(0, 0, 0, 0)).outcome == "inconclusive"


def test_error_level_is_the_p_value_against_delta():
    differences = [1.4, 1.1, 1.3, 1.6, 0.9, 1.5]
    expected = stats.ttest_1samp(differences, 1.0).pvalue
    assert verdict(paired(differences)).error_level == pytest.approx(expected, rel=1e-6)


def test_holm_judges_the_clearest_at_a_third_of_the_error():
    family = [
        verdict(paired([d + offset for d in (0.1, -0.1, 0.2, -0.2, 0.05)]))
        for offset in (5.0, 3.0, 2.0)
    ]
    judged = holm(family)
    assert [round(v.confidence, 4) for v in judged] == [0.9833, 0.975, 0.95]
    assert {v.outcome for v in judged} == {"supported"}


def test_holm_stops_at_the_first_inconclusive():
    clear = verdict(paired([2.0, 2.1, 1.9, 2.05]))
    # Alone this one is significant at 5 %, but not at 2.5 %.
    differences = [1.9, 1.4, 2.6, 1.7]
    borderline = verdict(paired(differences))
    assert 0.025 < borderline.error_level < 0.05
    also = replace(borderline, norm="group")
    judged = holm([clear, borderline, also])
    assert [v.outcome for v in judged] == ["supported", "inconclusive", "inconclusive"]


def test_holm_changes_nothing_but_the_confidence():
    family = [verdict(paired([0.1, 0.2, 0.3]), delta=d) for d in (0.5, 1.0)]
    for before, after in zip(family, holm(family), strict=True):
        assert replace(after, confidence=before.confidence) == before


def test_detectable_is_beyond_delta_on_the_claimed_side_and_shrinks_with_seeds():
    few, many = paired([0.1, 0.3, 0.2]), paired([0.1, 0.3, 0.2] * 8)
    assert verdict(few).detectable > verdict(many).detectable > 1.0
    assert verdict(few, claimed="less", delta=-1.0).detectable < -1.0


def test_a_study_with_the_detectable_effect_is_supported_four_times_in_five():
    generator = np.random.default_rng(1)
    noise = generator.normal(0, 0.3, (2000, 8))
    reach = np.mean([verdict(paired(row)).detectable for row in noise])
    supported = np.mean([verdict(paired(row + reach)).outcome == "supported" for row in noise])
    assert 0.72 < supported < 0.88


def test_what_an_interval_is_wider_by_must_be_seen_beyond_as_well():
    effect = paired([1.0, 2.0, 3.0, 2.5])
    plain, wide = verdict(effect), verdict(widened(effect, 0.5))
    assert wide.detectable == pytest.approx(plain.detectable + 0.5)
    less = verdict(widened(effect, 0.5), claimed="less", delta=-1.0)
    assert less.detectable == pytest.approx(-wide.detectable)


def test_ratios_leave_the_log_scale_in_the_document():
    document = replace(
        verdict(paired([math.log(2.0), math.log(2.2)]), delta=math.log(1.25)), style="ratio"
    ).to_dict()
    assert document["delta"] == pytest.approx(1.25)
    assert document["no_effect"] == 1.0
    assert document["low"] < document["effect"] < document["high"]
    assert document["effect"] == pytest.approx(math.sqrt(2.0 * 2.2))


def test_seeds_that_gave_no_number_are_told() -> None:
    found = verdict(paired([1.0, math.nan, 2.0]), note=text("capped", "封顶")).to_dict()
    assert found["note"]["en"] == (
        "capped; 1 of 3 seeds left out: a run failed, or gave nothing to compare"
    )
    assert found["note"]["zh"].startswith("封顶；3 个随机种子中有 1 个未计入")
    assert verdict(paired([1.0, 2.0])).to_dict()["note"] is None
