"""COCO captions: one JSON document of images and annotations."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources.fields import lacking
from pipelines.sources.jsontext import lists_or_reject
from pipelines.sources.record import Record, Reject, Split, shown, without_extension


@dataclass(frozen=True)
class Coco:
    """``{"images": [{id, file_name}], "annotations": [{id, image_id, caption}]}``.

    The key is the image's file name without its extension, or its id where it has none. ``n`` is the rank of
    the annotation's id among those of its image, whatever the order in the file. Origins are ``path#ID`` with
    the annotation's id, or ``path#annotations[INDEX]`` where it has none.

    The document is held in memory whole, as it must be to rank: about six times the file's size at the peak.
    """

    config: InputConfig

    mapped: ClassVar[bool] = False
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = frozenset({"file_name", "image_id"})

    def splits(self, file: File) -> list[Split]:
        """Return the file: it is one document."""
        return [Split(file.path)]

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the captions by image and rank, after the rejects that have no rank."""
        found = lists_or_reject(split.path, "images", "annotations")
        if isinstance(found, Reject):
            yield found
            return
        images, annotations = found
        ranked: list[tuple[str, bool, int | str, str, int]] = []
        for index, annotation in enumerate(annotations):
            problem = _unrankable(annotation, f"{split.path}#annotations[{index}]")
            if problem is None:
                name = annotation["id"]
                image = str(annotation["image_id"])
                # Equal ids, which only a faulty file has, are ranked by caption.
                ranked.append((image, isinstance(name, str), name, str(annotation.get("caption")), index))
            else:
                yield problem
        file_names = _file_names(images)
        ranks: Counter[str] = Counter()
        for image, _, name, _, index in sorted(ranked):
            yield self._record(image, file_names.get(image), ranks[image], annotations[index], f"{split.path}#{name}")
            ranks[image] += 1

    def _record(
        self, image: str, file_name: str | None, n: int, annotation: dict[str, object], origin: str
    ) -> Record | Reject:
        key = without_extension(file_name) if file_name else image
        caption = annotation.get("caption")
        if not isinstance(caption, str):
            return Reject(origin, "missing_field", lacking("caption", caption, "text"), key, n)
        fields = {"image_id": image, "file_name": file_name}
        return Record(key, caption, n, self.config.split, origin, fields)


def _unrankable(annotation: object, origin: str) -> Reject | None:
    """Return why ``annotation`` belongs to no image or place in it."""
    if not isinstance(annotation, dict):
        return Reject(origin, "malformed_record", f"not a JSON object: {shown(annotation)}")
    for name in ("image_id", "id"):
        if type(annotation.get(name)) not in (int, str):
            return Reject(origin, "missing_field", lacking(name, annotation.get(name), "a number or text"))
    return None


def _file_names(images: list[object]) -> dict[str, str]:
    """Return image id → file name of the images that have both."""
    return {
        str(image["id"]): image["file_name"]
        for image in images
        if isinstance(image, dict) and type(image.get("id")) in (int, str) and isinstance(image.get("file_name"), str)
    }
