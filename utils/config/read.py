"""Config files, overrides of the command line and checkpoints' values as checked configs."""

import ast
import os
import runpy
import traceback
import types
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ..encoding import decoded
from ..errors import ConfigError
from ..text import shown
from .keys import TITLE_OF_A_RUN, PredictConfig, TrainConfig
from .predict_rules import predict_problems
from .rules import train_problems
from .schema import check, plain_values

OF_LENGTH = ("warmup_epochs", "steps", "mix_off_epochs", "freeze_epochs")  # keys that go by the number of epochs
TEXTS = {  # keys that take a number as the word that it was written as
    field.name
    for schema in (TrainConfig, PredictConfig)
    for field in fields(schema)
    if field.metadata["kind"].expects.startswith("a string")
}
Rules = Callable[[dict[str, Any]], list[str]]  # values that are in order by themselves -> what contradicts


def load_train_config(path: str | Path = "train_config.py", overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read and check a training config; `overrides` win over the file.

    Raises ConfigError naming every problem: unknown keys, wrong values, contradictions, no such device or data.
    """
    source, raw, overrides = _read(Path(path), dict(overrides or {}))
    read = run_config_from if _is_of_a_run(Path(source)) else train_config_from
    return read(raw, source, overrides)


def run_config_from(raw: Mapping[str, Any], source: str, overrides: Mapping[str, Any]) -> TrainConfig:
    """`train_config_from` of what a run had, for another run or more of it. Raises ConfigError.

    What that run's length decided over is 'auto' again where it contradicts the `epochs` among `overrides`.
    """
    if "epochs" in overrides:
        _, problems = _values_and_problems(TrainConfig, train_problems, {**raw, **overrides})
        kept = [name for name in OF_LENGTH if name not in overrides]
        raw = {**raw, **{name: "auto" for name in kept if any(text.startswith(f"{name}: ") for text in problems)}}
    return train_config_from(raw, source, overrides)


def train_config_from(raw: Mapping[str, Any], source: str, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """A checked config from plain values, such as those of a checkpoint, over which `overrides` win.

    Raises ConfigError, which names `source` or the command line, whichever a problem comes from.
    """
    return TrainConfig(**_checked(TrainConfig, train_problems, raw, source, overrides or {}))


def load_predict_config(
    path: str | Path = "predict_config.py", overrides: Mapping[str, Any] | None = None
) -> PredictConfig:
    """Read and check a prediction config; raises ConfigError naming every problem."""
    source, raw, overrides = _read(Path(path), dict(overrides or {}))
    return PredictConfig(**_checked(PredictConfig, predict_problems, raw, source, overrides))


def _checked(
    schema: type, rules: Rules, raw: Mapping[str, Any], source: str, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of all keys. Raises ConfigError."""
    values, problems = _values_and_problems(schema, rules, {**raw, **overrides})
    if problems:
        without = _values_and_problems(schema, rules, raw)[1] if overrides else problems
        old, said = [problem in without for problem in problems], "command line"
        raise ConfigError(source if all(old) else f"{said} over {source}" if any(old) else said, problems)
    return values


def _values_and_problems(schema: type, rules: Rules, raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    values, problems = check(schema, raw)
    return values, problems + rules(values)


def to_plain(config: Any) -> dict[str, Any]:
    """The config as plain types for a checkpoint: tuples become lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """`key=value` strings of the command line; values are Python literals, else strings. Raises ConfigError.

    A number stays the word that it was where the key takes text: exp_name=2026_11_27 is no 20261127.
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError("--set", [f"expected key=value, got {pair!r}"])
        word = value.strip()
        found = _literal(word)
        is_name = name.strip() in TEXTS and isinstance(found, int | float | complex) and not isinstance(found, bool)
        overrides[name.strip()] = word if is_name else found
    return overrides


def _literal(word: str) -> Any:
    """What a word is in Python, or else the word."""
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return word


def read_literals(path: str | Path) -> dict[str, Any]:
    """The values of a config file as `train.py` writes it, read without running it: it may come from elsewhere.

    Raises ConfigError naming the line of anything but `name = literal`.
    """
    if not os.path.isfile(path):
        raise ConfigError(str(path), ["no such config file"])
    source = Path(path).read_bytes()
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _not_python(path, error) from None
    values = {}
    for statement in statements:
        try:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    values[name] = ast.literal_eval(value)
                case _:
                    raise ValueError
        except (ValueError, TypeError, MemoryError, RecursionError):
            found = source.splitlines()[statement.lineno - 1].decode("utf-8", "replace")[:80]
            problem = f"line {statement.lineno}: expected name = value with a literal value, got {found!r}"
            raise ConfigError(str(path), [problem]) from None
    return values


def _read(path: Path, overrides: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Where the values come from in the end, these values, `config_path` followed, and the overrides of them."""
    path = path.expanduser()
    raw = _read_file(path)
    if other := {**raw, **overrides}.get("config_path", ""):
        if not isinstance(other, str):
            raise ConfigError(str(path), [f"config_path: expected a string, got {shown(other)}"])
        path = Path(other).expanduser()
        raw = _read_file(path)
        overrides = {name: value for name, value in overrides.items() if name != "config_path"}
        if raw.get("config_path"):
            raise ConfigError(
                str(path), [f"config_path: {path} was named by config_path and may not name another file"]
            )
    return str(path), raw, overrides


def _read_file(path: Path) -> dict[str, Any]:
    """The plain values of a config module, in the form of today or as configurations = {'cfg': dict(...)}."""
    if not os.path.isfile(path):
        raise ConfigError(str(path), ["no such config file"])
    try:
        module = runpy.run_path(str(path))
    except SyntaxError as error:
        raise _not_python(path, error) from error
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"line {lines[-1]}: " if lines else ""
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigError(str(path), [f"{where}running it failed: {reason}"]) from error
    if "configurations" in module:
        older = module["configurations"]
        if not isinstance(older, dict) or not isinstance(older.get("cfg"), dict):
            raise ConfigError(str(path), ["configurations: expected {'cfg': dict(...)}"])
        return dict(older["cfg"])
    before = plain_values(TrainConfig) if _is_of_a_run(path) else {}
    code = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
    return before | {k: v for k, v in module.items() if not k.startswith("_") and not isinstance(v, code)}


def _not_python(path: str | Path, error: Exception) -> ConfigError:
    try:
        decoded(Path(path).read_bytes())
    except ValueError as wrong:
        return ConfigError(str(path), [str(wrong)])
    where = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
    problem = f"{where}not valid Python: {getattr(error, 'msg', error)}"
    if "unicodeescape" in problem:
        problem += r"; in quotes a backslash begins an escape: write r'C:\folder' or 'C:/folder'"
    return ConfigError(str(path), [problem])


def _is_of_a_run(path: Path) -> bool:
    """Whether a run has saved it: the keys that such a file lacks are younger than the run, which had no 'auto'."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return file.readline().removeprefix("# ").strip() == TITLE_OF_A_RUN
