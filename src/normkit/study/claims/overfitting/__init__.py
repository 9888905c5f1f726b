"""Normalization prevents over-fitting, and makes other regularization less needed."""

from __future__ import annotations

from functools import partial

from normkit.study.bilingual import text
from normkit.study.claim import Claim, Finding
from normkit.study.claims.overfitting import gap, reliance
from normkit.study.claims.overfitting.reduced import rates_figure, search_rates
from normkit.study.context import Context, together


def judge(context: Context) -> Finding:
    """(a) Test minus training loss at equal training loss; (b) how much less penalties help."""
    arms, recipe = context.plan.arms("overfitting"), context.recipe
    tuned = search_rates(context, arms) if context.plan.rate_for_reduced_images else {}
    rates = {norm: tuned[norm].rate if tuned else recipe.rates[norm] for norm in arms}
    parts = [gap.judge, reliance.judge] if context.plan.penalties else [gap.judge]
    answers = together([partial(part, context, rates, recipe.no_comparator) for part in parts])
    return Finding(
        [verdict for verdicts, _ in answers for verdict in verdicts],
        [figure for _, figures in answers for figure in figures]
        + ([rates_figure(context, tuned)] if tuned else []),
    )


CLAIM = Claim(
    id="overfitting",
    order=40,
    headline=True,
    title=text("Prevents over-fitting", "防止过拟合"),
    textbook=text(
        "Normalization has a regularizing effect: the network over-fits less and needs less "
        "dropout, L1 or L2.",
        "归一化有一定的正则化作用：网络更不容易过拟合，对 Dropout、L1、L2 正则化的依赖减少。",
    ),
    measured=text(
        "Training on so few images that a network can fit them all (how many, and at which loss, "
        "stands below the figure). Of the learning rates around its best one on all images at "
        "which an arm fits these, it has the one with the lowest validation loss (a small budget "
        "leaves this choice out, and says so); if it fits at none, nothing is decided. (a) Test "
        "loss minus training loss, read at the same training loss for a norm and for the network "
        "without it, so that a norm is not rewarded for training less, nor blamed for training "
        "more; 0.05 nats matter. (b) How much less dropout, L1 and L2, each at a strength chosen "
        "in validation, lower the test error once the norm is there; half a percentage point "
        "matters.",
        "只用很少的图像训练，使网络能够完全拟合它们（张数与读取处的损失见图下说明）；"
        "各方法在其全部图像上的最佳学习率附近、能够拟合这些图像的学习率中，取验证损失最低者（预算小时不作此选择，并会注明）；"
        "若均不能拟合，则不下结论。（甲）"
        "在该方法与无归一化网络训练损失相同的时刻，读取测试损失与训练损失之差，"
        "这样既不会因训练得少而占便宜，也不会因训练得多而吃亏；相差 0.05 nat 才算有意义。"
        "（乙）有了归一化之后，"
        "Dropout、L1、L2（强度在验证集上选定）降低测试错误率的作用减少了多少；"
        "相差 0.5 个百分点才算有意义。",
    ),
    contested=text(
        "Batch norm regularizes through the noise of its batch statistics, so less so at large "
        "batch; group norm fits the training set lower and tests 0.5 points worse (Wu and He "
        "2018). L2 under batch norm does not limit the function at all, it changes the effective "
        "learning rate (van Laarhoven 2017). The gap at a low training loss is not the gap on the "
        "way there, and it depends on the learning rate: see the figures. With rates chosen by "
        "validation error, as elsewhere in a study, two of five such studies, resampled from "
        "trials on digits, could not tell.",
        "批归一化的正则化来自批统计量的噪声，批量越大作用越小；"
        "组归一化训练损失更低，测试却差 0.5 个百分点"
        "（Wu 与 He，2018）。在批归一化下 L2 并不限制函数本身，"
        "而是改变了有效学习率（van Laarhoven 2017）。低训练损失处的差距并不等于训练途中的差距，"
        "也取决于学习率：请看图。若像其他各项那样按验证错误率选学习率，"
        "由 digits 上的试验重抽样而成的此类实验约有五分之二得不出结论。",
    ),
    advice={
        "supported": text(
            "Try the norm before other regularization, then measure again whether dropout or "
            "weight decay still adds anything.",
            "先用归一化，再考虑其他正则化；之后重新测量 Dropout 或权重衰减是否仍有帮助。",
        ),
        "refuted": text(
            "Do not count on this norm against over-fitting here: keep your regularization, or add "
            "data or augmentation.",
            "在这里不要靠它防止过拟合：请保留原有的正则化，或增加数据与数据增强。",
        ),
        "inconclusive": text(
            "Keep the regularization you have until a run with more seeds decides.",
            "在用更多随机种子得出结论之前，请保留现有的正则化。",
        ),
    },
    judge=judge,
)
