"""From the fields of one input object, under the names that ``input.fields`` gives them, to its captions."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.config import InputConfig
from pipelines.sources.record import Record, Reject, shown

_LARGEST_N = 2**30
"""Leaves room in int32 for the captions of the same key that have no number and get the next ones."""


@dataclass(frozen=True)
class FieldMap:
    """The input's names for our fields, and the split of records that name none."""

    key: str = "key"
    captions: tuple[str, ...] = ("captions", "caption")
    """The first that a record has counts; one name only where ``input.fields`` maps just one of the two."""
    split: str = "split"
    n: str = "n"
    default_split: str = "train"
    keyed: bool = True
    """Whether a record needs a key; where it does not, that of a record without one is empty."""

    @classmethod
    def of(cls, config: InputConfig) -> "FieldMap":
        """Return the map that ``config.fields`` describes."""
        names = config.fields
        mapped = tuple(names[ours] for ours in ("captions", "caption") if ours in names)
        return cls(
            key=names.get("key", "key"),
            captions=mapped or ("captions", "caption"),
            split=names.get("split", "split"),
            n=names.get("n", "n"),
            default_split=config.split,
            keyed=config.keyed,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every field that is looked at."""
        return (self.key, *self.captions, self.split, self.n)

    def captions_in(self, fields: Mapping[str, object]) -> object:
        """Return the value that holds the captions, of whatever type; None where there is none."""
        for name in self.captions:
            value = fields.get(name)
            if value is not None:
                return value
        return None

    def records(self, fields: Mapping[str, object], origin: str) -> list[Record | Reject]:
        """Return one record or reject for each caption in ``fields``; one reject where there is no using it.

        The key is a string or an integer. The captions are a string, whose ``n`` is the field of that name or
        None, or a list of strings, whose ``n`` is the index in the list.
        """
        key = fields.get(self.key)
        if key is None and not self.keyed:
            key = ""
        if type(key) is not str:  # exact types: a bool is an int, and no key
            if type(key) is not int:
                return [Reject(origin, "missing_field", lacking(self.key, key, "text"))]
            key = str(key)
        split = fields.get(self.split)
        if split is None or split == "":
            split = self.default_split
        elif type(split) is not str:
            return [Reject(origin, "missing_field", lacking(self.split, split, "text"), key)]
        captions = self.captions_in(fields)
        if type(captions) is str:
            n = _index(fields.get(self.n))
            if n == -1:
                detail = lacking(self.n, fields[self.n], "a whole number from 0")
                return [Reject(origin, "missing_field", detail, key)]
            return [Record(key, captions, n, split, origin, fields)]
        if type(captions) is list and captions:
            return [
                Record(key, caption, n, split, origin, fields)
                if type(caption) is str
                else Reject(origin, "missing_field", lacking(f"caption {n}", caption, "text"), key, n)
                for n, caption in enumerate(captions)
            ]
        detail = lacking(" or ".join(self.captions), captions, "text or a list of texts")
        return [Reject(origin, "missing_field", detail, key)]


def lacking(name: str, value: object, wanted: str) -> str:
    """Return what is wrong with a required field: ``no caption``, or ``key is true, not text``."""
    return f"no {name}" if value is None else f"{name} is {shown(value)}, not {wanted}"


def _index(value: object) -> int | None:
    """Return ``n`` as an integer, None where there is none, -1 where it is no index."""
    if value is None or value == "":
        return None
    if type(value) is str and value.isdecimal() and len(value) <= 10:
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST_N else -1
