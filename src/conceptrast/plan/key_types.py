"""Typed sections of a configuration: the types of values, what a value names, and one line for each mistake.

A section is a class with a field for each of its keys::

    class Factorization(Section):
        model: ModelName = key("whose layer is factorized")
        images: int = key("how many pictures at most", 4, ge=1)

The type says what is right. :func:`key` holds the default, and the comment that the reference of keys prints. A type
such as :data:`ModelName` also says what the value *names*. So the checks that a model exists, that it has a class, or
that a layer can be cut are written once, for all analyses.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticUndefined

from conceptrast.base.errors import unknown_name

Config = dict[str, Any]
Path = tuple[str | int, ...]

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
"""Pattern for names of entries, which become names of files and folders."""

JSON_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
}

BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}


class Section(BaseModel):
    """Keys of a configuration that belong together; any other key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, frozen=True)
    #: What messages call a key of the section.
    title: ClassVar[str] = "key"


def key(comment: str, default: Any = ..., **constraints: Any) -> Any:
    """One key of a section.

    Args:
        comment: the meaning of the key, in one line.
        default: the value if the key is left out. Without a default the key is required; ``None`` means no value.
        constraints: bounds, as for pydantic's ``Field``.
    """
    if default is ...:
        return Field(description=comment, **constraints)
    return Field(default_factory=lambda: copy.deepcopy(default), description=comment, **constraints)


@dataclass(frozen=True)
class Names:
    """What a value names.

    Attributes:
        what: ``model``, ``dataset``, ``layer``, ``class``, ``classes``, ``pairs``, ``labels``, ``file`` or ``weights``.
        besides: other values that are allowed, e.g. ``predicted`` instead of a class.
    """

    what: str
    besides: tuple[str, ...] = ()


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise PydanticCustomError("value", "{value} is no finite number", {"value": str(value)})
    return value


def _class(value: Any) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("type", "string or integer")
    if isinstance(value, int) and value < 0:
        raise PydanticCustomError("value", "{value} must be at least 0", {"value": str(value)})
    return value


def _unique(values: list[Any]) -> list[Any]:
    if any(value in values[:place] for place, value in enumerate(values)):
        raise PydanticCustomError("value", "{value} has non-unique elements", {"value": repr(values)})
    return values


def one_or_several(one: Any, several: Any) -> PlainValidator:
    """Check a value: it has the type ``several`` if it is a list, and otherwise the type ``one``."""

    @cache
    def adapter(kind: bool) -> TypeAdapter[Any]:
        return TypeAdapter(several if kind else one)

    def check(value: Any) -> Any:
        adapter(isinstance(value, list)).validate_python(value, strict=True)
        return value

    return PlainValidator(check)


Number = Annotated[float, AfterValidator(_finite)]
Unique = AfterValidator(_unique)
ModelName = Annotated[str, Names("model")]
DatasetName = Annotated[str, Names("dataset")]
LayerName = Annotated[str, Field(min_length=1), Names("layer")]
FileName = Annotated[str, Field(min_length=1), Names("file")]
ClassName = Annotated[Any, PlainValidator(_class)]
OneClass = Annotated[ClassName, Names("class")]
Classes = Annotated[list[ClassName], Field(min_length=1), Unique, Names("classes")]
Pair = Annotated[list[ClassName], Field(min_length=2, max_length=2)]
Pairs = Annotated[list[Pair], Unique, Names("pairs")]
Labels = Annotated[list[str], Field(min_length=1), Unique, Names("labels")]
EntryName = Annotated[str, Field(pattern=rf"^{NAME}$")]
RunName = Annotated[str, Field(pattern=rf"^{NAME}(/{NAME})*$")]


def naming(section: type[Section], entry: Mapping[str, Any], *what: str) -> Iterator[tuple[str, Any, Names]]:
    """Keys of an entry whose values name something, in the section's order: key (with dots), value, what it names.

    Example:
        >>> class View(Section):
        ...     model: ModelName = key("whose maps are made")
        ...     images: int = key("how many", 4)
        >>> [(name, value) for name, value, _ in naming(View, {"model": "net", "images": 2}, "model")]
        [('model', 'net')]
    """
    for name, field in fields_of(section).items():
        value = entry.get(name)
        names = _names_in(field.metadata, field.annotation)
        if names is not None and names.what in what and value is not None:
            yield name, value, names
        inner = section_in(field.annotation)
        if inner is not None and isinstance(value, Mapping):
            yield from ((f"{name}.{part}", *rest) for part, *rest in naming(inner, value, *what))


def _names_in(metadata: Sequence[Any], annotation: Any) -> Names | None:
    """What the values of a type name. The type's metadata say it, or those inside ``type | None``."""
    for part in metadata:
        if isinstance(part, Names):
            return part
    options = (_names_in(getattr(option, "__metadata__", ()), option) for option in get_args(annotation))
    return next((names for names in options if names is not None), None)


def fields_of(section: type[Section]) -> dict[str, FieldInfo]:
    """Fields of a section by their keys. A key such as ``class`` needs a field of another name in Python."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a key holds, if it holds one; ``Section | None`` counts, too."""
    options = [annotation, *get_args(annotation)] if get_origin(annotation) is not dict else []
    return next((option for option in options if isinstance(option, type) and issubclass(option, Section)), None)


def entries_in(annotation: Any) -> type[Section] | None:
    """The section of each entry, if the key holds named entries."""
    return section_in(get_args(annotation)[1]) if get_origin(annotation) is dict else None


def filled(section: type[Section], given: Mapping[str, Any]) -> Config:
    """A copy of ``given`` in which missing keys have their defaults. Given values stay as they were written.

    Example:
        >>> class Seeded(Section):
        ...     seed: int = key("of everything", 7)
        >>> filled(Seeded, {})
        {'seed': 7}
    """
    values: Config = {}
    fields = fields_of(section)
    for name, value in given.items():
        annotation = fields[name].annotation if name in fields else None
        inner = section_in(annotation)
        entries = entries_in(annotation)
        if entries is not None and isinstance(value, Mapping):
            values[name] = {entry: filled(entries, part) for entry, part in value.items()}
        elif inner is not None and isinstance(value, Mapping):
            values[name] = filled(inner, value)
        else:
            values[name] = copy.deepcopy(value)
    for name, default in defaults_of(section).items():
        values.setdefault(name, default)
    return values


def defaults_of(section: type[Section]) -> Config:
    """Defaults of a section's keys, without keys whose default is ``None``."""
    defaults: Config = {}
    for name, field in fields_of(section).items():
        default = field.get_default(call_default_factory=True)
        inner = section_in(field.annotation)
        entries = entries_in(field.annotation)
        if default is None or default is PydanticUndefined:
            continue
        if entries is not None:
            defaults[name] = {entry: filled(entries, part) for entry, part in default.items()}
        else:
            defaults[name] = filled(inner, default) if inner is not None else default
    return defaults


def problems(section: type[Section], given: Any) -> list[str]:
    """One line for each key whose name or type is wrong, sorted by the path of keys."""
    try:
        section.model_validate(given)
    except ValidationError as error:
        return [line for _, line in sorted(_lines(section, given, error))]
    return []


def _lines(
    section: type[Section], given: Any, error: ValidationError, at: Path = ()
) -> Iterator[tuple[list[str], str]]:
    """The place of each mistake, and its line."""
    for mistake in error.errors():
        inner = mistake.get("ctx", {}).get("error")
        where = (*at, *(part for part in mistake["loc"] if part != "[key]"))
        if isinstance(inner, ValidationError):
            yield from _lines(section, given, inner, where)
        else:
            yield [str(part) for part in where], _line(section, where, mistake)


def _line(section: type[Section], where: Path, mistake: Mapping[str, Any]) -> str:
    """The line for one mistake that pydantic found."""
    kind = mistake["type"]
    value = mistake["input"]
    bounds = mistake.get("ctx", {})
    dotted = ".".join(map(str, where))
    if kind == "extra_forbidden":
        return _unknown_key(section, where)
    if kind == "missing":
        return f"key {where[-1]!r} is missing" + (f" in '{'.'.join(map(str, where[:-1]))}'" if where[:-1] else "")
    if kind in JSON_TYPES or kind == "type":
        expected = JSON_TYPES.get(kind, mistake["msg"])
        got = f"got {value!r} ({type(value).__name__}); expected {expected}"
        return f"key '{dotted}' {got}" if dotted else f"the file {got}"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", bounds["expected"])
        if mistake["loc"][-1] == "[key]":
            return unknown_name("key", value, choices) + f" (in '{'.'.join(map(str, where[:-1]))}')"
        return unknown_name(f"value of '{dotted}'", value, choices)
    if kind == "string_pattern_mismatch":
        place = ".".join(map(str, where[:-1]))
        holds = place if where[-1] == value else dotted
        return f"key '{holds}': {value!r} does not match {bounds['pattern']!r}: letters, digits, '_', '.' and '-'"
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return f"key '{dotted}': {value!r} must be {words} {bounds[name]:g}"
    if kind == "section":
        return f"key '{dotted}' {mistake['msg']}"
    if kind == "beside":
        return unknown_name(bounds["what"], bounds["key"], bounds["valid"]) + f" (in '{dotted}')"
    if kind in ("too_short", "string_too_short"):
        return f"key '{dotted}': {value!r} is too short"
    if kind == "too_long":
        return f"key '{dotted}': {value!r} is too long"
    return f"key '{dotted}': {mistake['msg']}"


def _unknown_key(section: type[Section], where: Path) -> str:
    """The line for a key that its section does not have, with the most similar keys that it has."""
    holder = section_at(section, where[:-1])
    place = ".".join(map(str, where[:-1]))
    known = fields_of(holder)
    if not place:
        return unknown_name("key", where[-1], known)
    return unknown_name(holder.title, where[-1], known) + f" (in '{place}')"


def section_at(section: type[Section], where: Sequence[str | int]) -> type[Section]:
    """The section at a path of keys and names of entries."""
    names = iter(where)
    for name in names:
        annotation = fields_of(section)[str(name)].annotation
        entries = entries_in(annotation)
        if entries is not None:
            next(names, None)
        inner = entries or section_in(annotation)
        if inner is None:
            break
        section = inner
    return section
