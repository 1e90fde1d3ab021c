"""The file of class names that weights of others need."""

import json
from collections import Counter
from pathlib import Path

from ..encoding import decoded
from ..text import listed, shown
from ..weights.checkpoint_schema import is_class_name
from ..weights.files import check_regular

FORM = '{"0": "cat", "1": ...}'


def read_class_names(path: Path) -> list[str]:
    """The names in a class_indices.json, {"0": "cat", ...}, in the order of their indices, also equal ones.

    Raises ValueError or WeightsError saying what is wrong.
    """
    check_regular(path)
    try:
        names = json.loads(decoded(path.read_bytes()))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: line {error.lineno} is no JSON ({error.msg}); expected {FORM}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(names, dict) or not names:
        raise ValueError(f"{path}: expected {FORM}, got {shown(names)}")
    if missing := [str(i) for i in range(len(names)) if str(i) not in names]:
        raise ValueError(f'{path}: no "{missing[0]}" among its {len(names)} entries; expected {FORM} without gaps')
    for index, name in names.items():
        if not is_class_name(name):
            raise ValueError(f'{path}: "{index}": {shown(name)} cannot be the name of a class')
    return [names[str(i)] for i in range(len(names))]


def numbered(names: list[str]) -> list[str]:
    """Names that occur twice, as "crane" does in ImageNet, as "crane (1)" and "crane (2)"; the others as they are."""
    counts = Counter(names)
    taken = set(names)
    numbers: Counter[str] = Counter()  # of each name, those that are taken
    found = []
    for name in names:
        own = name
        while counts[name] > 1 and own in taken:
            numbers[name] += 1
            own = f"{name} ({numbers[name]})"
        taken.add(own)
        found.append(own)
    return found


def note_of_equal(names: list[str]) -> str:
    """That `numbered` has changed some of them, in words; '' where all differ."""
    equal = [name for name, count in Counter(names).items() if count > 1]
    return f"; names of several classes are numbered: {listed(equal)}" if equal else ""
