"""Schemas of config files: a frozen dataclass whose fields say what they take and what they mean.

`key` declares a field, `check` turns raw values into an instance or a list of every problem, `render` writes a config
file that runs again. The tables of the documentation are utils/docs.py's.
"""

import dataclasses
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..text import nearest, shown

Convert = Callable[[Any], Any]  # returns the value in its final form, raises ValueError for anything else


@dataclass(frozen=True)
class Kind:
    expects: str  # completes "expected ..."
    convert: Convert
    choices: tuple[str, ...] = ()  # the words that it takes, where only some are right


def key(default: Any, kind: Kind, meaning: str, *, group: str = "", plain: Any = None) -> Any:
    """A field of a schema. `group` starts a new section of the config file with this title.

    plain: what runs had that were saved before there was this key; None is the default.
    """
    plain = default if plain is None else plain
    return dataclasses.field(
        default=default, metadata={"kind": kind, "meaning": meaning, "group": group, "plain": plain}
    )


def auto_key(plain: Any, kind: Kind, meaning: str, *, group: str = "", example: Any = None) -> Any:
    """A field whose default is 'auto', which a rule of utils/recipe makes a value of `kind` before a run begins.

    plain: what runs had that were saved before there were such rules; without effect where a key can be so.
    example: of a value, for the comment of the config file; where it is None, `plain` is one.
    """
    metadata = {"kind": auto_or(kind), "meaning": meaning, "group": group, "plain": plain, "auto": True}
    metadata["example"] = plain if example is None else example
    return dataclasses.field(default="auto", metadata=metadata)


def auto_keys(schema: type) -> tuple[str, ...]:
    """Of the fields that `auto_key` has declared."""
    return tuple(field.name for field in dataclasses.fields(schema) if field.metadata.get("auto"))


def plain_values(schema: type) -> dict[str, Any]:
    """The value of each key in runs that were saved before it could be 'auto', or before there was such a key."""
    return {field.name: field.metadata["plain"] for field in dataclasses.fields(schema)}


def text() -> Kind:
    def convert(value: Any) -> str:
        written = str(value) if _is(value, str, int, float) else _refuse()
        written.encode("utf-8", "surrogateescape")  # as every text is stored; halves of characters cannot be
        return written if "\0" not in written else _refuse()

    return Kind("a string", convert)


def path() -> Kind:
    """A text in which ~ at the start is the user's home, as shells leave it in `key=~/folder`."""
    plain = text()
    return Kind(plain.expects, lambda value: os.path.expanduser(plain.convert(value)))


def paths() -> Kind:
    """One path, or a list of several, kept as a tuple."""
    one = path()

    def convert(value: Any) -> str | tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            return one.convert(value)
        return tuple(one.convert(item) for item in value) if value else _refuse()

    return Kind("a string or a list of strings", convert)


def flag() -> Kind:
    return Kind("True or False", lambda value: value if isinstance(value, bool) else _refuse())


def choice(*names: str) -> Kind:
    return Kind(f"one of {', '.join(map(repr, names))}", lambda value: value if value in names else _refuse(), names)


def integer(low: int, *, high: int | None = None) -> Kind:
    """An integer in low..high; without `high` below 2 ** 53, which no count of anything reaches."""
    most = 2**53 if high is None else high

    def convert(value: Any) -> int:
        whole = _is(value, int) or (_is(value, float) and value.is_integer())
        return int(value) if whole and low <= value <= most else _refuse()

    return Kind(f"an integer >= {low}" if high is None else f"an integer in {low}..{high}", convert)


def number(low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf) -> Kind:
    """A finite number in low..high; `above` is a bound that it must exceed."""

    def convert(value: Any) -> float:
        inside = _is(value, int, float) and low <= value <= high and above < value <= sys.float_info.max
        return value if inside else _refuse()

    bounds = f" > {above:g}" if above > -math.inf else f" in {low:g}..{high:g}" if high < math.inf else f" >= {low:g}"
    return Kind(f"a number{bounds}", convert)


def sequence(item: Kind, *, length: int | None = None) -> Kind:
    """A list or tuple, kept as a tuple; with a fixed length one plain value is taken for all."""

    def convert(value: Any) -> tuple:
        if length is not None and _is(value, int, float):
            value = [value] * length
        if not isinstance(value, (list, tuple)) or (length is not None and len(value) != length):
            _refuse()
        return tuple(item.convert(v) for v in value)

    of = item.expects.removeprefix("a ").removeprefix("an ")
    return Kind(f"a list of {f'{length} times ' if length else ''}{of}", convert)


def some_of(*names: str) -> Kind:
    """Some of the words `names`, kept as a tuple; one may be given without a list."""

    def convert(value: Any) -> tuple[str, ...]:
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, (list, tuple)) or not set(found) <= set(names):
            _refuse()
        return tuple(dict.fromkeys(found))

    return Kind(f"a list of some of {', '.join(map(repr, names))}", convert, names)


def id_list() -> Kind:
    """Numbers as a list, or in one string with commas between; kept as a tuple."""

    def convert(value: Any) -> tuple[int, ...]:
        parts = value.split(",") if isinstance(value, str) else [value] if _is(value, int) else value or _refuse()
        return sequence(integer(0)).convert([int(p) if isinstance(p, str) else p for p in parts])

    return Kind("a list of integers >= 0, or '0,1'", convert)


def either(*kinds: Kind) -> Kind:
    def convert(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.convert(value)
            except ValueError:
                continue
        return _refuse()

    return Kind(" or ".join(kind.expects for kind in kinds), convert)


def auto_or(kind: Kind) -> Kind:
    """`kind`, or the word 'auto'."""
    if kind.choices:
        return choice("auto", *kind.choices)
    return either(Kind("'auto'", lambda value: value if _is(value, str) and value == "auto" else _refuse()), kind)


def _is(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)


def _refuse() -> Any:
    raise ValueError


def check(schema: type, raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values that are in order, defaults included, in the schema's form, and a sentence for each problem."""
    fields = {field.name: field for field in dataclasses.fields(schema)}
    problems = [f"unknown key {shown(name)}{nearest(name, fields)}" for name in raw if name not in fields]
    values = {}
    for name, field in fields.items():
        kind = field.metadata["kind"]
        try:
            values[name] = kind.convert(raw.get(name, field.default))
        except Exception:  # a value can be of any class, and that class do anything when it is compared
            hint = nearest(raw[name], kind.choices) if isinstance(raw[name], str) else ""
            problems.append(f"{name}: expected {kind.expects}, got {shown(raw[name])}{hint}")
    return values, problems


def render(config: Any, title: str) -> str:
    """The text of a config file with these values: one `name = value` a line, grouped, each with its meaning."""
    lines = [f"# {line}" if line else "#" for line in title.splitlines()]
    for field in dataclasses.fields(config):
        if field.metadata["group"]:
            lines += ["", f"# {field.metadata['group']}"]
        value = getattr(config, field.name)
        lines.append(f"{field.name} = {literal(value)}  # {comment(field)}")
    return "\n".join(lines) + "\n"


def comment(field: dataclasses.Field) -> str:
    """What a config file says of a key: the words to choose from, if it is a choice, and the meaning."""
    choices, meaning = field.metadata["kind"].choices, field.metadata["meaning"]
    if choices:
        return f"{', '.join(map(repr, choices))}: {meaning}"
    return f"'auto' or such as {literal(field.metadata['example'])}: {meaning}" if "auto" in field.metadata else meaning


def help_text(schema: type) -> str:
    """A line for each key, for --help."""
    return "\n".join(
        f"  {field.name} = {literal(field.default)}  ({field.metadata['kind'].expects})  {field.metadata['meaning']}"
        for field in dataclasses.fields(schema)
    )


def literal(value: Any) -> str:
    """A value as a config file has it: tuples as lists."""
    return repr(list(value)).replace('"', "'") if isinstance(value, tuple) else repr(value)
