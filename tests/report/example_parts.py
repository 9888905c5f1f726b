"""What the example's claims are made of."""

from __future__ import annotations

from typing import Any

NORMS = ("none", "batch", "layer", "instance", "group")


def text(en: str, zh: str) -> dict[str, str]:
    return {"en": en, "zh": zh}


def verdict(
    name: str,
    what: dict[str, str],
    norm: str,
    outcome: str,
    effect: tuple[float | None, float | None, float | None],
    **other: Any,
) -> dict[str, Any]:
    judged = norm == "batch"
    return {
        "id": name,
        "what": what,
        "primary": True,
        "norm": norm,
        "outcome": outcome,
        "exploratory": not judged,
        "effect": effect[0],
        "low": effect[1],
        "high": effect[2],
        "delta": 1.25,
        "no_effect": 1.0,
        "claimed": "greater",
        "style": "ratio",
        "unit": text("", ""),
        "seeds": 8 if judged else 3,
        "confidence": 0.95,
        "detectable": None,
        "note": None,
        **other,
    }


def axis(field: str, en: str, zh: str, scale: str = "linear") -> dict[str, Any]:
    return {"field": field, "label": text(en, zh), "scale": scale}
