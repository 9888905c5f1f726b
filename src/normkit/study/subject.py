"""The network that a study is about: its words, and the norms that it can be built with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from normkit import models
from normkit.data import Dataset
from normkit.seeding import restored
from normkit.study.bilingual import Text, in_chinese, in_english, text
from normkit.study.claims import claims
from normkit.study.engine import Engine, Failure, Task
from normkit.study.plan import ADJUSTABLE, Plan
from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.train import GIVEN, build
from normkit.user_code import UserCodeError, is_spec, short


@dataclass(frozen=True)
class Subject:
    """What was found of a network before anything is trained."""

    norms: tuple[str, ...]
    """The arms it can be studied with: "none" first, or "given" alone."""
    left_out: tuple[Text, ...]
    """Why other norms are not studied."""
    parameters: int
    adjustable: frozenset[str] = ADJUSTABLE
    """What a study can set in it, beside norms and weights."""
    has_norms: bool = True
    """Whether there is a norm layer in it, to be looked at."""
    by: str = "factory"
    """What puts the norms in: its factory, or surgery that swaps or inserts them."""
    places: int = 0
    """At how many places surgery does."""
    others: int = 0
    """How many other norms there are, which all arms have."""

    @property
    def given(self) -> bool:
        """Whether it takes no norm, and is studied as it is."""
        return self.norms == (GIVEN,)


def examine(
    prototype: TrialSpec,
    norms: Sequence[str],
    headline: str,
    data: Dataset,
    engine: Engine,
    seconds: float,
) -> Subject:
    """Find out which norms the network of a study can be built with.

    Args:
        prototype: a trial of the study without norm.
        norms: the norms asked for, without "none".
        headline: the one that the study cannot do without.
        data: what it is to learn.
        engine: where the user's own code runs.
        seconds: how long each look at it may take.

    Raises:
        ValueError: the network cannot be built for these data, or not with the headline norm.
    """
    if is_spec(prototype.model):
        return _examine_users(prototype, norms, headline, engine, seconds)
    kept: list[str] = []
    left_out: list[Text] = []
    with restored():
        network = build(prototype.but(device="cpu"), data)
    for norm in norms:
        try:
            with restored():
                build(prototype.but(norm=norm, device="cpu"), data)
        except ValueError as error:
            if norm == headline:
                raise
            left_out.append(_unbuildable(norm, str(error)))
        else:
            kept.append(norm)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Subject(("none", *kept), tuple(left_out), parameters)


def _examine_users(
    prototype: TrialSpec,
    norms: Sequence[str],
    headline: str,
    engine: Engine,
    seconds: float,
) -> Subject:
    """The same of the user's network, in a worker, where it can do no harm to the study."""
    looks = [
        Task(prototype.but(kind="check", norm=norm), seconds=seconds) for norm in ("none", *norms)
    ]
    first = _looked(engine, looks[:1])["none"]
    if isinstance(first, Failure):
        raise UserCodeError(first.reason)
    parameters, asked = int(first.probes["parameters"]), first.probes["asked"]
    if not asked:
        why = _takes_none(norms) if asked is None else _asks_for_none(norms)
        has_norms = first.probes["norms"] > 0
        return Subject((GIVEN,), (why,), parameters, frozenset(), has_norms)
    kept: list[str] = []
    left_out: list[Text] = []
    for norm, answer in _looked(engine, looks[1:]).items():
        if not isinstance(answer, Failure):
            kept.append(norm)
        elif norm == headline:
            raise UserCodeError(f"with {norm}: {answer.reason}")
        else:
            left_out.append(_unbuildable(norm, answer.reason))
    by = str(first.probes["by"])
    others = int(first.probes["norms"]) if by != "factory" else 0
    return Subject(
        ("none", *kept),
        tuple(left_out),
        parameters,
        frozenset(),
        by=by,
        places=int(asked),
        others=others,
    )


def _looked(engine: Engine, looks: Sequence[Task]) -> dict[str, Record | Failure]:
    """What came of every look, by norm, in the order asked for."""
    answers = {task.spec.norm: answer for task, answer in engine.run(looks)}
    return {look.spec.norm: answers[look.spec.norm] for look in looks}


def _unbuildable(norm: str, reason: str) -> Text:
    return text(
        f"`{norm}` was left out: {reason}",
        f"`{norm}` 未参加，因为模型无法使用它：{reason}",
    )


def _takes_none(norms: Sequence[str]) -> Text:
    return text(
        f"{in_english(norms)} could not be studied: the factory of the network takes no `norm`, "
        "and there is neither a norm over channels in it nor a layer before an activation, where "
        "surgery could put one. Write "
        "`def factory(num_classes, in_channels, norm)`, with `norm(channels, dims=2)` wherever a "
        "norm layer belongs.",
        f"{in_chinese(norms)} 未能研究：网络的工厂函数不接受 `norm` 参数，"
        "而网络中既没有按通道的归一化层，也没有位于激活函数之前、可以插入归一化层的层。请写成 "
        "`def factory(num_classes, in_channels, norm)`，在需要归一化层处调用 "
        "`norm(channels, dims=2)`。",
    )


def _asks_for_none(norms: Sequence[str]) -> Text:
    return text(
        f"{in_english(norms)} could not be studied: the factory of the network accepts `norm` but "
        "never calls it, so that all networks would be the same. Call `norm(channels, dims=2)` "
        "wherever a norm layer belongs.",
        f"{in_chinese(norms)} 未能研究：网络的工厂函数接受 `norm` 参数却从未调用它，"
        "因此所有网络都会相同。请在需要归一化层处调用 `norm(channels, dims=2)`。",
    )


def suited(plan: Plan, subject: Subject) -> Plan:
    """A plan without what cannot be done with the network, and with the reasons."""
    plan = replace(plan, adjustable=subject.adjustable)
    dropped = list(plan.dropped)
    if "depth" not in subject.adjustable:
        plan = replace(plan, depths=(None,))
        if "gradients" in plan.claims and not subject.given:
            dropped.append(
                text(
                    "`gradients` measures the network at its own depth: a study cannot set it.",
                    "“防止梯度消失与梯度爆炸”一项只在模型自身的深度下测量：实验无法改变它的深度。",
                )
            )
    if "dropout" not in subject.adjustable:
        plan = replace(plan, penalties=tuple(p for p in plan.penalties if p != "dropout"))
        if "overfitting" in plan.claims and not subject.given:
            dropped.append(
                text(
                    "`overfitting` tries L1 and L2, not dropout: a study cannot set it in a "
                    "network of your own.",
                    "“防止过拟合”一项只尝试 L1 和 L2，没有尝试 Dropout："
                    "实验无法在您自己的模型中设置它。",
                )
            )
    if "placement" not in subject.adjustable:
        plan = replace(plan, placements=())
    if subject.given:
        judged = tuple(c for c in plan.claims if c == "standardise" and subject.has_norms)
        plan, told = replace(plan, claims=judged, headline=GIVEN), _unjudged(plan, subject)
        dropped += told
    return replace(plan, dropped=tuple(dropped))


def _unjudged(plan: Plan, subject: Subject) -> list[Text]:
    """Why claims are not judged on a network that is studied as it is."""
    told: list[Text] = []
    comparing = [name for name in plan.claims if name != "standardise"]
    if comparing:
        told.append(
            text(
                f"{in_english(comparing)} could not be judged: each compares with the same network "
                "without norm, and there is none.",
                f"{'、'.join(map(_titled, comparing))}未能评判："
                "它们都要与无归一化的同一网络比较，而这里没有这样的网络。",
            )
        )
    if "standardise" in plan.claims and not subject.has_norms:
        told.append(
            text(
                "`standardise` could not be judged: there is no norm layer in the network.",
                f"{_titled('standardise')}未能评判：网络中没有归一化层。",
            )
        )
    return told


def _titled(claim: str) -> str:
    return f"“{claims()[claim].title['zh']}”"


def _own(subject: Subject) -> Text:
    if subject.by == "factory":
        return text("a network of your own", "您自己的网络")
    if subject.by == "swap":
        english = (
            f"a network of your own, in which {subject.places} norms that it has were swapped for "
            "those that are compared, or removed"
        )
        chinese = (
            f"您自己的网络；其中原有的 {subject.places} 个归一化层被换成所比较的归一化层，或被移除"
        )
    else:
        english = (
            "a network of your own: the norms that are compared were inserted after "
            f"{subject.places} of its layers, ahead of their activations"
        )
        chinese = (
            f"您自己的网络；所比较的归一化层插入在其中 {subject.places} 个层之后、激活函数之前"
        )
    if subject.others:
        english += f"; {subject.others} others, over other axes, are in all arms alike"
        chinese += f"；另外 {subject.others} 个归一化层（沿其他轴）在各组中保持不变"
    return text(english, chinese)


def named(model: str) -> str:
    """A network's name for a title."""
    return short(model) if is_spec(model) else model


def described(model: str, subject: Subject) -> Text:
    """One line on a network."""
    if is_spec(model):
        return _own(subject)
    chinese = {
        "plain": "普通深层网络：等宽的 3×3 卷积，没有捷径连接",
        "vgg": "仿 VGG：逐级加宽的 3×3 卷积与最大池化，一个全连接隐藏层",
        "residual": "仿 ResNet：两个 3×3 卷积为一单元，外加捷径连接",
        "mlp": "多层感知机：等宽的全连接层，没有卷积",
    }
    return text(models.MODELS[model], chinese[model])
