"""VATEX: a JSON list of videos, each with English and Chinese captions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources.fields import FieldMap
from pipelines.sources.jsontext import document_or_reject
from pipelines.sources.record import Record, Reject, Split, shown


@dataclass(frozen=True)
class Vatex:
    """``[{"videoID", "enCap": [caption], "chCap": [caption]}]``, as the files are released.

    The key is the ``videoID``, ``n`` the place in ``enCap``; the released files name no split. With ``input.fields``
    ``{captions: chCap}`` the Chinese captions are read instead. Origins are ``path#INDEX``, the index among the videos.

    The document is held in memory whole: about six times the file's size at the peak.
    """

    config: InputConfig

    mapped: ClassVar[bool] = True
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = frozenset({"videoID"})

    def splits(self, file: File) -> list[Split]:
        """Return the file: it is one document."""
        return [Split(file.path)]

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the captions of each video."""
        names = self.config.fields
        fields = FieldMap(
            key=names.get("key", "videoID"),
            captions=(names.get("captions", names.get("caption", "enCap")),),
            split=names.get("split", "split"),
            default_split=self.config.split,
        )
        document = document_or_reject(split.path)
        if isinstance(document, Reject):
            yield document
            return
        if not isinstance(document, list):
            yield Reject(split.path, "malformed_record", "not a list of videos")
            return
        for index, video in enumerate(document):
            origin = f"{split.path}#{index}"
            if isinstance(video, dict):
                yield from fields.records(video, origin)
            else:
                yield Reject(origin, "malformed_record", f"not a JSON object: {shown(video)}")
