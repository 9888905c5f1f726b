"""The report's own words, each language beside the other."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from normkit.report.comparison.words import WORDS as COMPARISON

if TYPE_CHECKING:
    from normkit.report.schema import Text

LANGUAGES: Final = ("en", "zh")

# name → (English, Chinese). Braces hold what is filled in, the same in both.
WORDS: Final[dict[str, tuple[str, str]]] = {
    # Outcomes and marks
    "supported": ("supported", "成立"),
    "refuted": ("refuted", "不成立"),
    "inconclusive": ("inconclusive", "证据不足"),
    "exploratory": ("exploratory", "探索性"),
    "headline": ("headline claim", "主要论断"),
    "secondary": ("secondary", "次要"),
    "best": ("best", "最佳"),
    "close_to_best": ("not clearly worse than the best", "与最佳无明显差距"),
    "points": ("pp", "个百分点"),
    "confidence": ("{percent} interval", "{percent} 置信区间"),
    "not_measured": ("not measured or never reached", "未测得或未达到"),
    # Names of the normalizations, beside their catalogue keys
    "norm_given": ("the network as given", "原样网络"),
    "norm_none": ("no normalization", "无归一化"),
    "norm_batch": ("batch norm", "批归一化"),
    "norm_layer": ("layer norm", "层归一化"),
    "norm_channel_layer": ("layer norm over channels", "通道层归一化"),
    "norm_instance": ("instance norm", "实例归一化"),
    "norm_group": ("group norm", "组归一化"),
    "norm_rms": ("RMS norm", "均方根归一化"),
    "norm_sync_batch": ("synchronised batch norm", "同步批归一化"),
    "norm_ghost_batch": ("ghost batch norm", "幽灵批归一化"),
    "norm_split_batch": ("split batch norm", "分组批归一化"),
    "norm_batch_renorm": ("batch renorm", "批重归一化"),
    "norm_frozen_batch": ("frozen batch norm", "冻结批归一化"),
    "norm_group_rms": ("group RMS norm", "分组均方根归一化"),
    "norm_positional": ("positional norm", "位置归一化"),
    "norm_local_response": ("local response norm", "局部响应归一化"),
    "norm_local_context": ("local context norm", "局部上下文归一化"),
    "norm_switchable": ("switchable norm", "可切换归一化"),
    "norm_batch_channel": ("batch-channel norm", "批-通道归一化"),
    "norm_decorrelated_batch": ("decorrelated batch norm", "去相关批归一化"),
    "norm_iterative": ("iterative norm", "迭代归一化"),
    "norm_filter_response": ("filter response norm", "滤波响应归一化"),
    "norm_evonorm_b0": ("EvoNorm-B0", "EvoNorm-B0（含激活）"),
    "norm_evonorm_s0": ("EvoNorm-S0", "EvoNorm-S0（含激活）"),
    "norm_global_response": ("global response norm", "全局响应归一化"),
    "norm_dynamic_tanh": ("dynamic tanh", "动态 tanh"),
    "norm_weight_norm": ("weight norm", "权重归一化"),
    "norm_spectral_norm": ("spectral norm", "谱归一化"),
    "norm_weight_standardization": ("weight standardization", "权重标准化"),
    "norm_scaled_weight_standardization": ("scaled weight standardization", "缩放权重标准化"),
    "norm_fixup": ("Fixup, no norm", "Fixup（无归一化）"),
    "norm_skipinit": ("SkipInit, no norm", "SkipInit（无归一化）"),
    "norm_lsuv": ("LSUV, no norm", "LSUV（无归一化）"),
    "norm_agc": ("gradient clipping, no norm", "自适应梯度裁剪（无归一化）"),
    # Head and summary
    "skip": ("Skip to the verdicts", "跳到结论"),
    "language": ("Language", "语言"),
    "overline": ("Normalization study", "归一化实验报告"),
    "summary_lead": (
        "On {data}, against the same network without normalization, the verdicts on {norm}:",
        "在 {data} 上，与无归一化的同一网络相比，{norm}的结论：",
    ),
    "summary_exploratory": (
        "With {seeds} seeds this is exploratory: a direction to follow, not a finding.",
        "仅用 {seeds} 个随机种子，结果属探索性：可指方向，不作定论。",
    ),
    "summary_lead_given": (
        "On {data}, the network was studied as it is, with nothing to compare it with; of its own "
        "norm layers:",
        "在 {data} 上，模型按原样研究，没有可比较的对象；对其自带的归一化层：",
    ),
    "summary_given": (
        "On {data}, the network was studied as it is: there is nothing to compare it with, so no "
        "claim is judged. Its error, time and memory stand in the table.",
        "在 {data} 上，模型按原样研究：没有可比较的对象，因此不评判任何论断。"
        "其错误率、时间与内存见下表。",
    ),
    "summary_nothing": ("No claim has a verdict yet.", "尚无任何论断得出结论。"),
    "list_separator": (", ", "、"),
    "comma": (", ", "，"),
    "clause_separator": ("; ", "；"),
    "space": (" ", ""),
    "stop": (".", "。"),
    "colon": (": ", "："),
    "parentheses": (" ({inside})", "（{inside}）"),
    "facts_images": (
        "{train} training images, {test} test images",
        "训练图像 {train} 张，测试图像 {test} 张",
    ),
    "facts_model": ("{model}, {parameters} parameters", "{model}，{parameters} 个参数"),
    "facts_trials": ("{run} trials in {time}", "{run} 次试验，用时 {time}"),
    "incomplete_title": ("Some trials are missing", "缺少部分试验"),
    "incomplete": (
        "What follows judges only the trials that gave a result; what the others gave instead "
        "stands under “Failures”. The same command tries those again, and no finished one twice.",
        "以下结论只依据已得出结果的试验；其余试验的情况见“出错记录”。"
        "再次运行同一命令会重试它们，已完成的试验不会重复运行。",
    ),
    "no_base_title": ("The comparator never trained", "对照组从未训练成功"),
    "no_base": (
        "No recipe was found in which the network without normalization trains, "
        "so claims that compare with it stay inconclusive.",
        "未找到能使无归一化的网络训练成功的方案，因此与之比较的论断只能判为证据不足。",
    ),
    # Verdict table
    "verdicts_title": ("The verdicts", "结论一览"),
    "verdicts_lead": (
        "Each normalization against the same network with none. Each claim is judged by the whole "
        "interval of its effect, never by the point alone.",
        "每种归一化方法都与无归一化的同一网络比较。判定依据是效应量的整个置信区间，"
        "而不是单个点估计。",
    ),
    "verdicts_lead_given": (
        "The norm layers that the network has. The claim is judged by the whole interval of its "
        "effect, never by the point alone.",
        "模型自带的归一化层。判定依据是效应量的整个区间，而不是单个点估计。",
    ),
    "verdicts_caption": ("Verdicts by claim and normalization", "各论断在各归一化方法下的结论"),
    "claim": ("Claim", "论断"),
    "norm": ("Norm", "归一化方法"),
    "key_supported": (
        "the whole interval lies where the claim holds",
        "整个区间都落在论断成立的范围内",
    ),
    "key_refuted": (
        "the whole interval falls short of it",
        "整个区间都未达到该范围",
    ),
    "key_inconclusive": ("the interval leaves both open", "区间跨越界限，两种可能都不能排除"),
    "key_picture": (
        "the shaded side is where the claim holds, the dashed line δ its edge, "
        "the solid line no effect",
        "阴影一侧为论断成立的范围，虚线 δ 为其界限，实线表示无效应",
    ),
    "key_exploratory": (
        "not the verdict that answers a headline claim, or too few seeds for a finding",
        "不是回答主要论断的那个结论，或随机种子数不足以下定论",
    ),
    "intervals": ("Confidence of the intervals: {range}", "区间的置信度：{range}"),
    "intervals_headline": (
        "Confidence of the intervals: {usual}; for {norm} in the headline claims {range} (Holm)",
        "区间的置信度：{usual}；主要论断中 {norm} 的区间为 {range}（Holm 方法）",
    ),
    "seeds_short": ("{seeds} seeds", "{seeds} 个随机种子"),
    # Choice table
    "choices_title": ("Which norm should I use here?", "这里该用哪种归一化方法？"),
    "choices_title_given": ("What does this network give and cost?", "这个网络的效果与代价如何？"),
    "choices_caption": ("What each normalization gives and costs", "各归一化方法的效果与代价"),
    "key_choices": (
        "Brackets hold confidence intervals; only where there are any can a value be called not "
        "clearly worse than the best.",
        "方括号内为置信区间；只有给出区间的数值才可能标为与最佳无明显差距。",
    ),
    "seeds": ("Seeds", "随机种子数"),
    # Advice
    "advice_title": ("What this study advises", "本实验的建议"),
    "advice_lead": (
        "From the measurements of this study alone; every sentence holds the numbers it rests on.",
        "仅依据本实验的测量；每句话都附有所依据的数字。",
    ),
    "advice_norm": ("Which norm", "哪种归一化"),
    "advice_place": ("Where", "放在哪里"),
    "advice_rate": ("Learning rate", "学习率"),
    "advice_batch": ("Batch", "批量"),
    "advice_price": ("What it costs", "代价"),
    "advice_runner_up": ("Runner-up", "次选"),
    "advice_change": ("What would change this", "什么会改变这一建议"),
    "advice_untested": ("Not tested", "未测试"),
    # Contents
    "contents": ("Contents", "目录"),
    "method_title": ("How this study was made", "本实验如何进行"),
    "how_to_read": ("How a verdict is reached", "结论如何得出"),
    "how_to_read_text": (
        "Before the study, each claim fixes what is measured, the direction claimed, and δ, the "
        "smallest effect that matters. Supported: the whole interval lies beyond δ. Refuted: the "
        "whole interval falls short of δ, be it small, absent or opposite. Otherwise inconclusive. "
        "Each norm is trained at its own best learning rate, chosen on validation data with seeds "
        "that are not judged; seeds are paired between a norm and its comparator. Each headline "
        "claim is answered by one interval, and these hold at 95 % together (Holm's procedure); "
        "every other one holds at 95 % for itself. The split of the data is the same for all "
        "seeds.",
        "实验开始前，每条论断就定下测量什么、所称的方向，以及 δ：值得重视的最小效应。"
        "整个区间超过 δ，判为成立；整个区间都未达到 δ（无论效应很小、没有或相反），判为不成立；"
        "其余判为证据不足。每种归一化方法都用自己的最佳学习率训练，该学习率在验证集上选出，"
        "所用随机种子不参与判定；归一化方法与对照组之间按随机种子配对。每项主要论断各由一个区间回答，"
        "这些区间合起来具有 95 % 的置信度（Holm 方法），其余区间各自为 95 %。"
        "所有随机种子使用同一数据划分。",
    ),
    # The lesson
    "lesson_title": ("How a batch is normalised", "一批数据如何被归一化"),
    "lesson_images": (
        "The first images of the batch, as they were before standardisation",
        "该批次的前几张图像（标准化之前）",
    ),
    "lesson_unit": ("in units of {unit}", "单位：{unit}"),
    "lesson_marked": ("the value that is followed", "所跟踪的数值"),
    "lesson_terms": ("What the terms mean", "术语"),
    "lesson_paper": ("Paper", "论文"),
    "key_shared": ("framed: one set, stronger where larger", "框内：同一组，颜色越浓数值越大"),
    "key_apart": ("grey: all other values", "灰色：其余数值"),
    # A claim's section
    "textbook": ("What textbooks say", "教科书怎么说"),
    "measured": ("How it was measured", "如何测量"),
    "contested": ("What is contested", "有何争议"),
    "advice": ("What to do", "该怎么做"),
    "evidence": ("Verdicts in full", "完整结论"),
    "verdict": ("Verdict", "结论"),
    "effect": ("Effect", "效应量"),
    "interval": ("Interval", "置信区间"),
    "picture": ("Where it lies", "所处位置"),
    "holds_where": ("Claim holds where {threshold}", "论断成立的条件：{threshold}"),
    "detectable": ("Smallest detectable effect", "可检出的最小效应"),
    "note": ("Note", "说明"),
    "no_verdict": ("This claim has no verdict.", "该论断没有结论。"),
    # Figures
    "legend": ("Legend", "图例"),
    "log_scale": ("log scale", "对数刻度"),
    "band": ("shaded: the range that the caption names", "阴影：图注所述的范围"),
    "bars": ("bar: the interval that the caption names", "横线：图注所述的区间"),
    "mean_mark": (
        "short line: mean, where every seed has a value; other marks: single seeds",
        "短线：均值（仅当每个随机种子都有数值时给出）；其余标记：单个随机种子",
    ),
    "seed_lines": ("thin: single seeds; thick: median", "细线：单个随机种子；粗线：中位数"),
    "open_marker": (
        "open marker at the edge: no finite value ({counts})",
        "边缘的空心标记：无有限值（{counts}）",
    ),
    "not_drawn": ("not drawn, no finite value: {counts}", "未画出（无有限值）：{counts}"),
    "beyond_log": (
        "not drawn, zero or negative on a log scale: {counts}",
        "未画出（对数刻度上为零或负）：{counts}",
    ),
    "empty_cell": ("–: no value", "–：无数值"),
    "no_rows": ("There is nothing to draw.", "没有可画的数据。"),
    "download_csv": ("Numbers as CSV", "下载数据（CSV）"),
    "csv_beside": ("Numbers: {path}", "数据见 {path}"),
    "show_numbers": ("Show the numbers ({rows} rows)", "查看数据（{rows} 行）"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    # How this study was made
    "data": ("Data", "数据"),
    "source": ("Source", "来源"),
    "classes": ("Classes", "类别"),
    "class_count": ("{count}: {names}", "{count} 类：{names}"),
    "and_more": ("{names} and {count} more", "{names} 等（另有 {count} 类）"),
    "images": ("Images", "图像"),
    "image_shape": (
        "{height} × {width} pixels, channels: {channels}",
        "{height} × {width} 像素，通道数 {channels}",
    ),
    "split": ("Split", "划分"),
    "split_sizes": (
        "{train} training, {validation} validation, {test} test",
        "训练 {train}，验证 {validation}，测试 {test}",
    ),
    "skipped": ("Skipped files", "跳过的文件"),
    "file": ("File", "文件"),
    "reason": ("Reason", "原因"),
    "notes": ("Notes", "备注"),
    "model": ("Model", "模型"),
    "name": ("Name", "名称"),
    "depth": ("Depth", "深度"),
    "width": ("Width", "宽度"),
    "parameters": ("Parameters", "参数量"),
    "recipe": ("Base recipe", "基准方案"),
    "recipe_why": ("Why this one", "选择理由"),
    "init": ("Weight initialisation", "权重初始化"),
    "steps": ("Steps", "训练步数"),
    "batch": ("Batch size", "批大小"),
    "optimizer": ("Optimizer", "优化器"),
    "schedule": ("Learning rate over the steps", "学习率随步数的变化"),
    "schedule_constant": ("constant", "恒定"),
    "schedule_cosine": ("cosine, to zero at the last step", "余弦，最后一步降至零"),
    "momentum": ("momentum {value}", "动量 {value}"),
    "rates": ("Learning rate of each norm", "各归一化方法的学习率"),
    "trials": ("Trials", "试验次数"),
    "trials_counts": (
        "{run} run, {reused} reused, {diverged} diverged, {failed} failed",
        "新运行 {run}，复用 {reused}，发散 {diverged}，出错 {failed}",
    ),
    "budget": ("Budget", "预算"),
    "started": ("Started", "开始时间"),
    "duration": ("Duration", "用时"),
    "duration_minutes": ("{minutes} min {seconds} s", "{minutes} 分 {seconds} 秒"),
    "duration_seconds": ("{seconds} s", "{seconds} 秒"),
    "dropped": ("Left out", "省去的内容"),
    "failures": ("Failures", "出错记录"),
    "nothing_dropped": ("Nothing was left out.", "没有省去任何内容。"),
    "no_failures": ("No trial failed.", "没有试验出错。"),
    "versions": ("Versions", "版本"),
    "machine": ("Machine", "机器"),
    "machine_line": (
        "{cpu}, {cores} cores, {workers} workers, {device}",
        "{cpu}，{cores} 核，{workers} 个工作进程，{device}",
    ),
    "repeat": ("Run it again", "重新运行"),
    "repeat_text": (
        "The same command on the same machine gives the same numbers.",
        "在同一机器上运行同一命令，会得到同样的数字。",
    ),
    "run": ("The run", "运行情况"),
    "top": ("Back to the verdicts", "回到结论"),
    **COMPARISON,
}


class Words:
    """The report's words in one language.

    >>> Words("en")("seeds_short", seeds=8)
    '8 seeds'
    >>> Words("zh").pick({"en": "steps", "zh": "步"})
    '步'
    """

    def __init__(self, lang: str) -> None:
        self.lang = language(lang)
        self._index = LANGUAGES.index(self.lang)
        self.tag = {"en": "en", "zh": "zh-Hans"}[self.lang]

    def __call__(self, name: str, /, **values: object) -> str:
        text = WORDS[name][self._index]
        return text.format(**values) if values else text

    def pick(self, text: Text) -> str:
        """The words of a document's text in this language."""
        return text["zh"] if self.lang == "zh" else text["en"]

    def norm(self, key: str) -> str:
        """The readable name of a normalization, empty for one without."""
        return self(f"norm_{key}") if f"norm_{key}" in WORDS else ""

    def join(self, names: list[str]) -> str:
        """A list of names as running text."""
        return self("list_separator").join(names)

    def parentheses(self, inside: str) -> str:
        """Something in the language's own parentheses."""
        return self("parentheses", inside=inside)


def language(lang: str, also: tuple[str, ...] = ()) -> str:
    """Return `lang` if the report is written in it.

    Raises:
        ValueError: naming the choices and the close match.

    >>> language("zn")
    Traceback (most recent call last):
        ...
    ValueError: lang must be 'en' or 'zh', got 'zn'; did you mean 'zh'?
    """
    choices = (*LANGUAGES, *also)
    if lang in choices:
        return lang
    known = " or ".join(repr(choice) for choice in choices)
    close = difflib.get_close_matches(str(lang), choices, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"lang must be {known}, got {lang!r}{hint}")
