"""Karpathy's splits of COCO, Flickr8k and Flickr30k: ``dataset_coco.json`` and its like."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources.fields import lacking
from pipelines.sources.jsontext import lists_or_reject
from pipelines.sources.record import Record, Reject, Split, shown, without_extension


@dataclass(frozen=True)
class Karpathy:
    """``{"images": [{"filename", "filepath", "split", "sentences": [{"raw"}], "cocoid", "imgid"}]}``.

    The key is the file name without its extension; ``n`` is the index among the sentences; the split stays as
    it is, "restval" too. Origins are ``path#INDEX``, the index among the images.

    The document is held in memory whole: about ten times the file's size at the peak.
    """

    config: InputConfig

    mapped: ClassVar[bool] = False
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = frozenset({"filename", "filepath", "split", "cocoid", "imgid"})

    def splits(self, file: File) -> list[Split]:
        """Return the file: it is one document."""
        return [Split(file.path)]

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the captions of each image."""
        found = lists_or_reject(split.path, "images")
        if isinstance(found, Reject):
            yield found
            return
        (images,) = found
        for index, image in enumerate(images):
            yield from self._records(image, f"{split.path}#{index}")

    def _records(self, image: object, origin: str) -> Iterator[Record | Reject]:
        if not isinstance(image, dict):
            yield Reject(origin, "malformed_record", f"not a JSON object: {shown(image)}")
            return
        file_name, split, sentences = (image.get(name) for name in ("filename", "split", "sentences"))
        if not isinstance(file_name, str):
            yield Reject(origin, "missing_field", lacking("filename", file_name, "text"))
            return
        key = without_extension(file_name)
        if split is None:
            split = self.config.split
        if not isinstance(split, str):
            yield Reject(origin, "missing_field", lacking("split", split, "text"), key)
        elif not isinstance(sentences, list) or not sentences:
            yield Reject(origin, "missing_field", lacking("sentences", sentences, "a list of sentences"), key)
        else:
            for n, sentence in enumerate(sentences):
                raw = sentence.get("raw") if isinstance(sentence, dict) else None
                if isinstance(raw, str):
                    yield Record(key, raw, n, split, origin, image)
                else:
                    yield Reject(origin, "missing_field", lacking(f"sentences[{n}].raw", raw, "text"), key, n)
