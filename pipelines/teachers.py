"""The configured teacher, resolved: what it is, whom it knows, and how a worker loads it. Planning loads none."""

from dataclasses import dataclass, replace

from filters.encoder_files import EncoderError, EncoderFiles, read_encoder
from filters.similarity import TEACHERS, Teacher, load_teacher
from pipelines.config import ScoreConfig
from translate.decoding import Device
from translate.hub import Origin, find_as, place
from translate.models import ModelError
from translate.weights import WeightsError, read_shapes


@dataclass(frozen=True)
class TeacherPlan:
    """One teacher: a bundled one by its name, or the files of a sentence encoder."""

    name: str
    files: EncoderFiles | None = None
    """None: a bundled one."""

    @property
    def identity(self) -> str:
        """Changes whenever the same text might be embedded otherwise; part of a score's fingerprint."""
        return self.files.identity if self.files else load_teacher(self.name).digest

    @property
    def prefix(self) -> str:
        """What stands before every text that it reads."""
        return self.files.prefix if self.files else ""

    def knows(self, language: str) -> bool:
        """Return whether the teacher was trained on ``language`` (BCP-47), as far as its files say."""
        return self.files.knows(language) if self.files else load_teacher(self.name).knows(language)

    def notes(self) -> list[str]:
        """Return, as sentences, what is assumed of it."""
        return self.files.notes() if self.files else []

    def load(self, device: Device) -> Teacher:
        """Load it to ``device``; raises `EncoderError` where its files do not load."""
        if self.files is None:
            return load_teacher(self.name)
        from filters.sentence_encoder import SentenceEncoder
        from translate.devices import cpu_workers, placed, use_wide_vectors

        use_wide_vectors()
        where, indexes = placed(device)
        files = replace(self.files, path=place(self.files))
        return SentenceEncoder(files, device=where, device_index=indexes, workers=cpu_workers(device))


def find_teacher(config: ScoreConfig, *, make: bool = True) -> tuple[TeacherPlan, Origin] | None:
    """Return the teacher that ``config`` names and where it comes from, None for none.

    Without ``make`` nothing is fetched or converted. Raises `ModelError` saying what was looked for and how to
    provide it.
    """
    if config.teacher == "none":
        return None
    if config.teacher in TEACHERS:
        if config.teacher_prefix is not None:
            raise ModelError(f"score.teacher_prefix: the teacher {config.teacher!r} takes no prefix")
        return TeacherPlan(config.teacher), Origin("bundled", None, "Apache-2.0")
    try:
        files, origin = find_as(
            read_encoder, config.teacher, others=(*TEACHERS, "none"), example="sentence-transformers/LaBSE", make=make
        )
        read_shapes(files.path / "model.bin")
    except (ModelError, EncoderError) as error:
        raise ModelError(f"score.teacher: {error}") from error
    except WeightsError as error:
        raise ModelError(f"score.teacher: teacher {config.teacher!r}: {files.path / 'model.bin'} {error}") from error
    if config.teacher_prefix is not None:
        files = replace(files, prefix=config.teacher_prefix)
    return TeacherPlan(config.teacher, files), origin
