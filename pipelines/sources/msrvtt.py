"""MSR-VTT: one JSON document of videos and sentences."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pipelines.config import InputConfig
from pipelines.files import File
from pipelines.sources.fields import lacking
from pipelines.sources.jsontext import lists_or_reject
from pipelines.sources.record import Record, Reject, Split, shown

_SPLITS: Final = {"validate": "val"}
"""Their word for a split → ours."""


@dataclass(frozen=True)
class MsrVtt:
    """``{"videos": [{"video_id", "split"}], "sentences": [{"video_id", "sen_id", "caption"}]}``.

    The key is the ``video_id``; ``n`` is the rank of the ``sen_id`` among those of its video, whatever the order in
    the file. The split is the video's, ``validate`` as ``val``; a sentence of no listed video has none and is
    rejected. Origins are ``path#ID`` with the ``sen_id``, or ``path#sentences[INDEX]`` where it has none.

    The document is held in memory whole, as it must be to rank: about six times the file's size at the peak.
    """

    config: InputConfig

    mapped: ClassVar[bool] = False
    compressed: ClassVar[bool] = True
    template_fields: ClassVar[frozenset[str] | None] = frozenset({"video_id"})

    def splits(self, file: File) -> list[Split]:
        """Return the file: it is one document."""
        return [Split(file.path)]

    def records(self, split: Split) -> Iterator[Record | Reject]:
        """Yield the captions by video and rank, after the rejects that have no rank."""
        found = lists_or_reject(split.path, "videos", "sentences")
        if isinstance(found, Reject):
            yield found
            return
        videos, sentences = found
        ranked: list[tuple[str, int, str, int]] = []
        for index, sentence in enumerate(sentences):
            problem = _unrankable(sentence, f"{split.path}#sentences[{index}]")
            if problem is None:
                # Equal ids, which only a faulty file has, are ranked by caption.
                ranked.append((sentence["video_id"], sentence["sen_id"], str(sentence.get("caption")), index))
            else:
                yield problem
        split_of = self._split_of(videos)
        ranks: Counter[str] = Counter()
        for video, sen_id, _, index in sorted(ranked):
            yield _record(video, ranks[video], split_of, sentences[index], f"{split.path}#{sen_id}")
            ranks[video] += 1

    def _split_of(self, videos: list[Any]) -> dict[str, object]:
        """Return video id → its split, of whatever type it is in the file."""
        found: dict[str, object] = {}
        for video in videos:
            if isinstance(video, dict) and isinstance(video.get("video_id"), str):
                split = video.get("split")
                found[video["video_id"]] = self.config.split if split is None else split
        return found


def _record(
    video: str, n: int, split_of: dict[str, object], sentence: dict[str, object], origin: str
) -> Record | Reject:
    if video not in split_of:
        return Reject(origin, "missing_field", f"no video {shown(video)} in 'videos', so no split", video, n)
    split, caption = split_of[video], sentence.get("caption")
    if not isinstance(split, str):
        return Reject(origin, "missing_field", lacking("split", split, "text"), video, n)
    if not isinstance(caption, str):
        return Reject(origin, "missing_field", lacking("caption", caption, "text"), video, n)
    return Record(video, caption, n, _SPLITS.get(split, split), origin, {"video_id": video})


def _unrankable(sentence: object, origin: str) -> Reject | None:
    """Return why ``sentence`` belongs to no video or place in it."""
    if not isinstance(sentence, dict):
        return Reject(origin, "malformed_record", f"not a JSON object: {shown(sentence)}")
    if type(sentence.get("video_id")) is not str:
        return Reject(origin, "missing_field", lacking("video_id", sentence.get("video_id"), "text"))
    if type(sentence.get("sen_id")) is not int:
        return Reject(origin, "missing_field", lacking("sen_id", sentence.get("sen_id"), "a number"))
    return None
