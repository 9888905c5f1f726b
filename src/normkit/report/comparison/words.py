"""The words of a comparison, each language beside the other."""

from __future__ import annotations

from typing import Final

# name → (English, Chinese), as in the report's own words, of which these become a part.
WORDS: Final[dict[str, tuple[str, str]]] = {
    # Head and summary
    "comparison_overline": ("Normalization studies compared", "归一化实验对比"),
    "comparison_title": ("{count} studies side by side: {names}", "{count} 项实验对比：{names}"),
    "contradictions": ("Verdicts that contradict each other: {list}.", "相互矛盾的结论：{list}。"),
    "opposites": (
        "Verdicts that come out opposite on other data or another model, "
        "which is no contradiction: {list}.",
        "在不同的数据或模型上结果相反的结论（不算矛盾）：{list}。",
    ),
    "contradiction": ("{title} ({what}), {norm}: {sides}", "{title}（{what}），{norm}：{sides}"),
    "and": (" and ", "、"),
    "supported_in": ("supported in {studies}", "在 {studies} 中成立"),
    "refuted_in": ("refuted in {studies}", "在 {studies} 中不成立"),
    "inconclusive_in": ("inconclusive in {studies}", "在 {studies} 中证据不足"),
    "no_contradiction": (
        "No verdict is supported in one study and refuted in another, where both measure and "
        "judge alike.",
        "没有任何结论在测量方式与判定标准相同时，在一项实验中成立、在另一项中不成立。",
    ),
    "counted": (
        "Verdicts measured in more than one study: {measured} ({counts}).",
        "在不止一项实验中测得的结论：{measured} 个（{counts}）。",
    ),
    "counted_alone": (
        "Verdicts measured in a single study: {count}.",
        "仅在一项实验中测得的结论：{count} 个。",
    ),
    "count_of": ("{name}: {count}", "{name}：{count} 个"),
    "not_a_test": (
        "How the studies differ is described, not judged: there is no test of their difference, "
        "and intervals that overlap do not prove that two studies agree.",
        "各实验之间的差异只作描述，不作判定：这里没有检验这种差异，区间重叠也不能证明两项实验一致。",
    ),
    # Agreement
    "agreement": ("Agreement", "是否一致"),
    "agree": ("same outcome", "结果相同"),
    "open": ("decided in one, open in another", "部分已有定论、部分证据不足"),
    "contradict": ("contradicting", "相互矛盾"),
    "opposite": (
        "opposite, on other data or another model",
        "数据或模型不同，结果相反",
    ),
    "unlike": ("judged by other rules", "判定标准不同"),
    "alone": ("in one study only", "仅一项实验测得"),
    "unlike_rules": (
        "δ, the claimed direction or the scale of the effect is not the same, "
        "so that the outcomes answer different questions",
        "δ、所称方向或效应量的尺度不同，因此各结论回答的不是同一个问题",
    ),
    # What differs
    "differences_title": ("What differs", "有何不同"),
    "differences_none": (
        "Nothing that the studies tell of themselves differs.",
        "各实验所述的条件没有任何不同。",
    ),
    "same_title": ("What is the same", "有何相同"),
    "fact": ("Condition", "条件"),
    "image": ("Image", "图像尺寸"),
    "fingerprint": ("Fingerprint of the images", "图像内容的指纹"),
    "augmented": ("Training images augmented", "训练图像是否经过数据增强"),
    "own_code": ("Digest of your own code", "您自己的代码的摘要"),
    "normkit_code": ("Digest of normkit's code", "normkit 代码的摘要"),
    "base_depth": ("Depth in the base recipe", "基准方案的深度"),
    "target": ("Target, training accuracy", "目标训练准确率"),
    "threshold": (
        "Counts as trained, from a training accuracy of",
        "判为训练成功的最低训练准确率",
    ),
    "norms": ("Norms", "所比较的归一化方法"),
    "claims": ("Claims", "论断编号"),
    "seeds_judged": ("Seeds", "随机种子"),
    "complete": ("All trials gave a result", "全部试验均有结果"),
    "found": ("The network without normalization trains", "无归一化的网络能否训练成功"),
    # What makes numbers hard to compare
    "cautions_title": ("Before comparing numbers", "比较数值之前"),
    "other_data": ("other data", "数据不同"),
    "other_data_text": (
        "The data differ. An effect speaks of its own data; errors, steps, seconds and bytes of "
        "different data are not to be compared.",
        "数据不同。效应量只对各自的数据而言；不同数据上的错误率、步数、时间与内存不可相互比较。",
    ),
    "other_images": ("other images", "图像不同"),
    "other_images_text": (
        "The images are not the same, though the data have the same name: they, their labels or "
        "their split were changed. An effect speaks of its own data; errors, steps, seconds and "
        "bytes of different data are not to be compared.",
        "数据名称相同，但图像不同：图像、标签或划分有过改动。效应量只对各自的数据而言；"
        "不同数据上的错误率、步数、时间与内存不可相互比较。",
    ),
    "other_augmentation": ("augmentation in some only", "仅部分经过数据增强"),
    "other_augmentation_text": (
        "Training images are augmented in {augmented}, not in {not_augmented}: the networks are "
        "trained on other images, and errors and steps are not to be compared.",
        "训练图像在 {augmented} 中经过数据增强，在 {not_augmented} 中不经过："
        "各网络所用的训练图像不同，错误率与步数不可相互比较。",
    ),
    "other_code": ("your own code changed", "您自己的代码不同"),
    "other_code_text": (
        "Your own code is not the same, though the model has the same name: the code of the "
        "model or of the augmentation was changed, or only some studies augment. An effect speaks "
        "of its own model.",
        "模型名称相同，但您自己的代码不同：模型或数据增强的代码有过改动，或仅部分实验使用数据增强。"
        "效应量只对各自的模型而言。",
    ),
    "other_model": ("other model", "模型不同"),
    "other_model_text": (
        "The model differs. An effect speaks of its own model; seconds and bytes are those of "
        "different networks.",
        "模型不同。效应量只对各自的模型而言；时间与内存出自不同的网络。",
    ),
    "other_steps": ("other step counts", "训练步数不同"),
    "other_steps_text": (
        "Training steps: {values}. Errors, targets and best rates are those of different "
        "budgets of steps and are not to be compared.",
        "训练步数：{values}。错误率、目标与最佳学习率出自不同的步数预算，不可相互比较。",
    ),
    "other_recipe": ("other base recipe", "基准方案不同"),
    "other_recipe_text": (
        "The base recipe differs ({what}), so that the same norm is compared with a network "
        "trained in another way.",
        "基准方案不同（{what}），因此同一种归一化方法所对照的网络训练方式不同。",
    ),
    "schedule_short_constant": ("constant", "恒定"),
    "schedule_short_cosine": ("cosine", "余弦"),
    "value_in": ("{value} in {name}", "{name} 为 {value}"),
    "part_differs": ("{name}: {values}", "{name}：{values}"),
    "momentum_name": ("Momentum", "动量"),
    "other_target": ("other targets", "目标不同"),
    "other_target_text": (
        "The target is a training accuracy of {values}. Steps and seconds to different targets are "
        "not to be compared; what can be read side by side is which norm gets there first.",
        "目标训练准确率：{values}。达到不同目标所需的步数与时间不可相互比较；"
        "可以对照的只是哪种方法先达到目标。",
    ),
    "other_threshold": ("trained by other measures", "训练成功的标准不同"),
    "other_threshold_text": (
        "A run counts as trained from a training accuracy of {values}. What trains is counted "
        "by different rules.",
        "判为训练成功的最低训练准确率：{values}。各实验按不同标准统计何为训练成功。",
    ),
    "other_machine": ("other machines", "机器不同"),
    "other_machine_text": (
        "The machines differ: seconds, and ratios of seconds, are each machine's own.",
        "机器不同：时间及时间之比只对各自的机器而言。",
    ),
    "other_versions": ("other versions", "版本不同"),
    "other_versions_text": (
        "The versions differ ({what}): a difference may come from the code, and seconds are not "
        "to be compared.",
        "版本不同（{what}）：差异可能来自代码，时间不可相互比较。",
    ),
    "code_of_normkit": ("the code of normkit", "normkit 的代码"),
    "other_measure": ("measured in another way", "测量方式不同"),
    "other_measure_text": (
        "For the questions marked so, the studies describe otherwise what was measured: "
        "their effects are not of one kind.",
        "标有此项的问题，各实验对测量内容的描述不同：其效应量不是同一种量。",
    ),
    "unfinished_text": (
        "In {studies} some trials are missing: see the failures told there.",
        "{studies} 中缺少部分试验：见其出错记录。",
    ),
    "unfinished": ("some trials missing", "缺少部分试验"),
    "no_comparator_text": (
        "In {studies} the network without normalization never trained, so that comparisons with "
        "it are inconclusive there.",
        "在 {studies} 中，无归一化的网络从未训练成功，因此与它的比较在那里只能判为证据不足。",
    ),
    "no_comparator": ("comparator never trained", "对照组从未训练成功"),
    "same_seeds": ("seeds shared", "共用随机种子"),
    "same_seeds_text": (
        "The studies share seeds on the same data: they share their luck too, and are not "
        "repetitions of each other.",
        "各实验在相同数据上共用随机种子：偶然因素也相同，因此不是彼此独立的重复。",
    ),
    # Verdict by verdict
    "comparison_lead": (
        "Each question on one scale. A verdict is one study's own, at the confidence it states.",
        "同一问题的各图使用同一尺度。每个结论由各实验自行得出，置信度如其所示。",
    ),
    "nothing_to_compare": ("No study has a verdict yet.", "尚无任何实验得出结论。"),
    "verdict_notes": ("Notes of the studies ({count})", "各实验的说明（{count} 条）"),
    "not_measured_there": ("not measured", "未测"),
    "no_claim_there": ("this claim is not in that study", "该实验不含此论断"),
    "no_norm_there": ("this norm is not in that study", "该实验不含此归一化方法"),
    "no_question_there": (
        "this question is not in that study",
        "该实验未提出此问题",
    ),
    "not_asked_there": (
        "that study did not ask this of the norm",
        "该实验未就此方法提出此问题",
    ),
    "see_dropped": ("see what it dropped to fit its budget", "参见其为符合预算而省去的内容"),
    # Choices
    "comparison_choices_title": ("The norms in each study", "各实验中的归一化方法"),
    "comparison_choices_caption": (
        "What each normalization gives and costs, by study",
        "各归一化方法在各实验中的效果与代价",
    ),
    "key_own_best": (
        "best and close to it are meant among the norms of the same study",
        "“最佳”与“无明显差距”均只在同一实验的各方法之间比较",
    ),
}
