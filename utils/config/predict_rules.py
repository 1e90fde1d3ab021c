"""Contradictions between the keys of a PredictConfig; rules.py has those of a TrainConfig."""

from types import SimpleNamespace
from typing import Any

from .rules import Rule, contradictions, known_device


def predict_problems(values: dict[str, Any]) -> list[str]:
    """A sentence for each contradiction among the keys of a PredictConfig that are in order by themselves."""
    return contradictions(values, RULES)


def confidence_is_asked_for(c: SimpleNamespace) -> str | None:
    if c.reject == "confidence":
        return None
    return f"min_confidence: {c.min_confidence} is of reject = 'confidence' alone, and reject is {c.reject!r}"


def sorts_pictures(c: SimpleNamespace) -> str | None:
    return "sort_as: 'link' is of sort_into alone, which is ''" if c.sort_as == "link" and not c.sort_into else None


def resumes_a_table(c: SimpleNamespace) -> str | None:
    return "resume: needs output, the table of the job to go on with" if c.resume and not c.output else None


RULES = [
    Rule(("device",), known_device),
    Rule(("min_confidence", "reject"), confidence_is_asked_for),
    Rule(("resume", "output"), resumes_a_table),
    Rule(("sort_as", "sort_into"), sorts_pictures),
]
