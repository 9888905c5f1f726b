"""Numbers as a reader sees them.

Three significant digits, a true minus sign, units after a space. A number and its interval share
their decimals, so that they line up: `+1.20 [0.90, 1.50]`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normkit.report.schema import ColumnFormat, EffectStyle, Verdict

NOTHING = "–"
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(value: float | None, digits: int = 3) -> str:
    """A number with a few significant digits.

    >>> number(0.123456), number(-12), number(0.0000123), number(None)
    ('0.123', '−12', '1.23×10⁻⁵', '–')
    """
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    size = abs(value)
    if not 1e-3 <= size < 1e6:
        return _scientific(value, digits)
    if size >= 10 ** (digits - 1):
        plain = f"{value:,.0f}" if size >= 10_000 else f"{value:.0f}"
    else:
        plain = f"{value:.{digits}g}"
    return _typeset(plain)


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    if mantissa in ("1", "-1"):
        return _typeset(mantissa[:-1] + power)
    return _typeset(f"{mantissa}×{power}")


def _typeset(plain: str) -> str:
    # A narrow no-break space groups thousands in either language.
    return plain.replace("-", "−").replace(",", "\u202f")


def tick(value: float) -> str:
    """A number at an axis: as short as it can be."""
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return _scientific(value, 3)
    return _typeset(f"{value:.6g}")


def power(value: float) -> str:
    """A power of ten at a log axis.

    >>> power(0.001)
    '10⁻³'
    """
    return f"10{str(round(math.log10(value))).translate(_SUPERSCRIPT)}"


def aligned(values: list[float | None], digits: int = 3, sign: bool = False) -> list[str]:
    """Numbers with shared decimals; with `sign`, the first carries a plus too.

    >>> aligned([1.2, 0.913, 1.5])
    ['1.20', '0.91', '1.50']
    """
    finite = [abs(value) for value in values if value]
    largest = max(finite, default=0.0)
    if finite and (largest < 1e-3 or largest >= 1e6):
        return [number(value, digits) for value in values]
    decimals = max(0, digits - 1 - math.floor(math.log10(largest))) if finite else 0
    texts = []
    for index, value in enumerate(values):
        if value is None:
            texts.append(NOTHING)
            continue
        plus = "+" if sign and index == 0 else ""
        texts.append(_typeset(f"{value:{plus}.{decimals}f}"))
    return texts


def column(value: float | None, kind: ColumnFormat) -> str:
    """A value of the table of choices.

    >>> column(0.0213, "percent"), column(3.1, "ratio"), column(1572864, "bytes")
    ('2.1 %', '×3.1', '1.5 MiB')
    """
    if value is None:
        return NOTHING
    if kind == "percent":
        return f"{_percent(value)} %"
    if kind == "seconds":
        return _duration(value)
    if kind == "milliseconds":
        return f"{number(value)} ms"
    if kind == "bytes":
        return size(value)
    if kind == "ratio":
        return f"×{number(value)}"
    return number(value)


def column_interval(low: float | None, high: float | None, kind: ColumnFormat) -> str:
    """The interval of a value of the table of choices; empty where none was measured.

    >>> column_interval(0.0142, 0.0204, "percent"), column_interval(0.4, 1.25, "seconds")
    ('[1.4, 2.0]', '[0.4, 1.25]')
    """
    if low is None and high is None:
        return ""
    ends = [column(low, kind), column(high, kind)]
    units = {end.partition(" ")[2] for end in ends if end != NOTHING}
    if len(units) == 1:
        ends = [end.partition(" ")[0] for end in ends]
    return f"[{ends[0].removeprefix('×')}, {ends[1].removeprefix('×')}]"


def _percent(share: float) -> str:
    percent = 100 * share
    if percent == 0 or abs(percent) >= 99.95:
        return f"{percent:.0f}"
    return _typeset(f"{percent:.1f}") if abs(percent) >= 1 else number(percent, 2)


def size(count: float) -> str:
    """Bytes in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{number(count)} {unit}"
        count /= 1024
    return f"{number(count)} GiB"


def _duration(seconds: float) -> str:
    if 0 < abs(seconds) < 0.1:
        return f"{number(1000 * seconds)} ms"
    if abs(seconds) < 600:
        return f"{number(seconds)} s"
    return f"{number(seconds / 60)} min"


def _factor(log10: float | None) -> str:
    if log10 is None:
        return NOTHING
    # Beyond the range of a float the power itself is the clearest thing to say.
    return f"×{number(10**log10)}" if abs(log10) < 300 else f"×10^{number(log10)}"


def effect_values(values: list[float | None], style: EffectStyle) -> list[str]:
    """Effects of one style, written alike: an effect and the ends of its interval.

    >>> effect_values([3.1, 2.5, 3.9], "ratio")
    ['×3.1', '2.5', '3.9']
    >>> effect_values([-0.012, -0.02, -0.004], "points")
    ['−1.2', '−2.0', '−0.4']
    """
    if style == "ratio":
        texts = [number(value) for value in values]
        return [texts[0] if values[0] is None else f"×{texts[0]}", *texts[1:]]
    if style == "log10":
        texts = [_factor(value) for value in values]
        return [texts[0], *(text.removeprefix("×") for text in texts[1:])]
    if style in ("points", "share"):
        values = [None if value is None else 100 * value for value in values]
    return aligned(values, digits=2, sign=style in ("points", "difference"))


def suffix(style: EffectStyle, points: str) -> str:
    """The unit that a style brings; `points` is the language's word for percentage points."""
    return {"points": f" {points}", "share": " %"}.get(style, "")


def effect(verdict: Verdict, points: str) -> tuple[str, str]:
    """A verdict's effect and its interval, as text; the interval is empty where there is none."""
    texts = effect_values([verdict["effect"], verdict["low"], verdict["high"]], verdict["style"])
    unit = suffix(verdict["style"], points)
    shown = texts[0] + unit if verdict["effect"] is not None else NOTHING
    if verdict["low"] is None and verdict["high"] is None:
        return shown, ""
    low = "−∞" if verdict["low"] is None else texts[1]
    high = "∞" if verdict["high"] is None else texts[2]
    if verdict["style"] in ("ratio", "log10") and verdict["low"] is None:
        low = "0"
    return shown, f"[{low}, {high}]"


def logarithm(verdict: Verdict) -> str:
    """The exponents behind a log10 effect shown as a factor; empty for any other style.

    >>> logarithm({"style": "log10", "effect": 0.8, "low": 0.6, "high": 1.0})
    '10^0.80 [0.60, 1.00]'
    """
    if verdict["style"] != "log10" or verdict["effect"] is None:
        return ""
    exponents = (verdict["effect"], verdict["low"], verdict["high"])
    texts = [NOTHING if each is None else _typeset(f"{each:.2f}") for each in exponents]
    return f"10^{texts[0]} [{texts[1]}, {texts[2]}]"


def position(value: float | None, style: EffectStyle, points: str) -> str:
    """One point on an effect's scale, such as δ or the smallest detectable effect."""
    if value is None:
        return NOTHING
    if style in ("points", "share"):
        return number(100 * value) + suffix(style, points)
    return effect_values([value], style)[0] if style in ("ratio", "log10") else number(value)


def threshold(verdict: Verdict, points: str) -> str:
    """Where the claim holds, as text: `> ×1.25`, `< −0.5`, or a range for an identity."""
    delta, style, none = verdict["delta"], verdict["style"], verdict["no_effect"]
    if delta is None:
        return NOTHING
    if verdict["claimed"] == "greater":
        return f"> {position(delta, style, points)}"
    if verdict["claimed"] == "less":
        return f"< {position(delta, style, points)}"
    low, high = claimed_range(delta, none or 0.0, style)
    return f"{position(low, style, points)} … {position(high, style, points)}"


def claimed_range(delta: float, no_effect: float, style: EffectStyle) -> tuple[float, float]:
    """The range around no effect in which an identity holds: δ and its mirror image."""
    if style == "ratio" and delta > 0 and no_effect > 0:
        mirror = no_effect**2 / delta
    else:
        mirror = 2 * no_effect - delta
    return min(delta, mirror), max(delta, mirror)
