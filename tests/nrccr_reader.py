"""Reads the flat files as NRCCR's public code does (LiJiaBei-7/nrccr, util/tag_data_provider_img.py), without torch."""

from pathlib import Path


def media_id(caption_id: str) -> str:
    """Return the key of a caption's id."""
    key = caption_id.split("#")[0]
    return key[:-4] if key.endswith((".jpg", ".mp4")) else key


def captions_in(path: Path) -> dict[str, str]:
    """Return the captions of a file by their ids, in its order."""
    found = {}
    with path.open(encoding="utf-8") as reader:
        for line in reader.readlines():
            caption_id, caption = line.strip().split(" ", 1)
            found[caption_id] = caption
    return found


def ids_in(path: Path) -> list[str]:
    """Return the lines of a list of keys."""
    with path.open(encoding="utf-8") as reader:
        return [line.strip() for line in reader.readlines()]


class TrainingSet:
    """What its data set of training triplets is: every caption with its translations and the row of its features."""

    def __init__(self, root: Path, collection: str, data_type: str) -> None:
        """``root``: its ``--rootpath``; ``data_type``: ``google_enc2de``."""
        text, features = root / collection / "TextData", root / collection / "FeatureData"
        name = f"{collection}train"
        self.captions = captions_in(text / f"{name}_enc.caption.txt")
        self.translations = captions_in(text / f"{name}_{data_type}.caption.txt")
        self.backs = captions_in(text / f"{name}_{data_type}2enc.caption.txt")
        self.keys = ids_in(features / "train_id.txt")
        self.caption_ids = list(self.captions)
        self._marker = data_type.split("_")[-1]

    def __len__(self) -> int:
        return len(self.caption_ids)

    def __getitem__(self, index: int) -> tuple[int, str, str, str, str]:
        """Return (row of the features, id, caption, translation, back-translation)."""
        caption_id = self.caption_ids[index]
        parts = caption_id.split("#")
        translation = self.translations[f"{parts[0]}#{self._marker}#{parts[2]}"]
        back = self.backs[f"{parts[0]}#{self._marker}2enc#{parts[2]}"]
        return self.keys.index(media_id(caption_id)), caption_id, self.captions[caption_id], translation, back


class EvaluationSet:
    """What its data set of validation or test captions is: a translation into English, and the human caption."""

    def __init__(self, root: Path, collection: str, split: str, language: str, prefix: str = "google") -> None:
        """``split``: ``val`` or ``test``."""
        text = root / collection / "TextData"
        self.english = captions_in(text / f"{collection}{split}_{prefix}_{language}2enc.caption.txt")
        self.human = captions_in(text / f"{collection}{split}_{language}.caption.txt")
        self.keys = ids_in(root / collection / "FeatureData" / f"{split}_id.txt")
        self._language = language

    def items(self) -> list[tuple[str, str, str]]:
        """Return (key, translation into English, human caption) of each caption."""
        found = []
        for caption_id, english in self.english.items():
            parts = caption_id.split("#")
            found.append((media_id(caption_id), english, self.human[f"{parts[0]}#{self._language}#{parts[2]}"]))
        return found
