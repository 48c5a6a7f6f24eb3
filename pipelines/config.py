"""The configuration: every setting with its default and range, and one message with all that is wrong."""

import difflib
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from filters.verdict import CERTAIN, RULES, Thresholds

Format = Literal["jsonl", "csv", "tsv", "flickr", "coco", "karpathy", "parquet", "webdataset", "vatex", "msrvtt"]
FORMATS: tuple[str, ...] = get_args(Format)

EvaluationFormat = Format | Literal["txt"]
"""``txt``: a key or a caption on each line."""


class ConfigError(ValueError):
    """The configuration or the command is wrong: said before any model loads, exit code 2."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExcludeConfig(_Section):
    """Keys or captions, or both, of an evaluation set; items that are in it are rejected."""

    path: str = Field(min_length=1)
    """A file or glob, as `InputConfig.path`."""
    format: EvaluationFormat | None = None
    """By default what the file's extension says, where it says it."""
    name: str | None = Field(default=None, min_length=1)
    """Of the evaluation set, in rejects and audit; by default the file's. Entries of one name are one set."""
    fields: dict[str, str] = {}
    """As `InputConfig.fields`, for ``key``, ``caption`` and ``captions``."""

    @property
    def set_name(self) -> str:
        """The name, or else that of the file without folder and extensions."""
        return self.name or self.path.rstrip("/").rpartition("/")[2].split(".")[0] or self.path


class InputConfig(_Section):
    """Where the captions and their media are."""

    keyed: ClassVar[bool] = True
    """Whether a record needs a key."""

    format: Format
    path: str | list[str] = Field(min_length=1)
    """Files or globs, on any Beam filesystem; relative ones start at the configuration file's folder."""
    fields: dict[str, str] = {}
    """Our name → the input's, for ``key``, ``caption``, ``captions``, ``split``, ``n``; others pass to ``media``."""
    media: str | None = None
    """A template over the record's fields, such as ``photos/{key}.jpg`` or ``{image}``; none: text only."""
    media_root: str | None = None
    """No media file outside this folder is read; by default the template's fixed leading folder."""
    split: str = "train"
    """The split of records that name none."""
    max_tokens: int = Field(default=100, ge=1, le=1000)
    """Longer captions are rejected; a token is a run of up to 16 letters or digits, or one other sign."""
    max_rejected: float = Field(default=0.05, ge=0, le=1)
    """The run fails when a larger share of the captions is rejected."""
    max_missing_media: float | None = Field(default=None, ge=0, le=1)
    """The run fails when a larger share of the captions has no media file; these then do not count as rejected.

    By default they do, but for ``vatex`` and ``msrvtt``, many of whose videos are gone: there any share may be missing.
    """
    exclude: list[ExcludeConfig] = []
    """Evaluation sets to keep out: an item that is in one is rejected with all its captions. A path is an entry too."""

    @field_validator("exclude", mode="before")
    @classmethod
    def _paths_are_entries(cls, exclude: Any) -> Any:
        if isinstance(exclude, str):
            exclude = [exclude]
        if not isinstance(exclude, list):
            return exclude
        return [{"path": entry} if isinstance(entry, str) else entry for entry in exclude]

    @property
    def paths(self) -> list[str]:
        """The patterns as a list."""
        return [self.path] if isinstance(self.path, str) else list(self.path)

    @property
    def tolerated_missing(self) -> float | None:
        """The share of the captions whose media may be missing; None: they count as any rejected caption."""
        if self.max_missing_media is None and self.format in ("vatex", "msrvtt"):
            return 1.0
        return self.max_missing_media


class EvaluationInput(InputConfig):
    """A file of ``input.exclude`` as the sources read it: its captions need no key."""

    keyed: ClassVar[bool] = False


class TranslateConfig(_Section):
    """The model and how it decodes; names and meanings are CTranslate2's."""

    model: str | dict[str, str] = "mini"
    """``mini``, a local directory (CTranslate2's or Hugging Face's layout) or an id at Hugging Face (``ID@REVISION``).

    ``{lang}`` in it is replaced; or a map language → model.
    """
    back_translation: bool = False
    back_model: str | dict[str, str] | None = None
    """The model from the target languages to English; by default ``model``, where it has that direction."""
    beam_size: int = Field(default=4, ge=1, le=64)
    length_penalty: float = Field(default=1.0, ge=0, le=5)
    repetition_penalty: float = Field(default=1.0, gt=0, le=5)
    no_repeat_ngram_size: int = Field(default=5, ge=0, le=20)
    """No run of so many target pieces comes twice; 0: no such rule."""
    num_hypotheses: int = Field(default=1, ge=1, le=64)
    """So many translations of each text are kept in the ledger, with their scores; the best one is judged."""
    patience: float = Field(default=1.0, gt=0, le=10)
    coverage_penalty: float = Field(default=0.0, ge=0, le=5)
    sampling_topk: int = Field(default=1, ge=0, le=1000)
    """Above 1, or 0 for the whole vocabulary: random sampling, for diverse translations (with ``beam_size: 1``)."""
    sampling_topp: float = Field(default=1.0, gt=0, le=1)
    sampling_temperature: float = Field(default=1.0, gt=0, le=10)
    max_decoding_length: int = Field(default=200, ge=8, le=1024)
    """Target tokens at most."""
    max_batch_tokens: int = Field(default=0, ge=0, le=1_000_000)
    """Padded source tokens in one batch of the engine; 0: 512 on a CPU, 8,192 on a GPU."""
    unit_size: int = Field(default=2048, ge=16, le=100_000)
    """Texts that are translated together, checkpointed together, and lost together at worst."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    device_index: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(), strict=False)
    """The GPUs to use, each with a replica of the model; none named: all."""
    compute_type: str = "auto"
    """CTranslate2's name, such as ``int8`` or ``float16``; ``auto``: the fastest that the device supports."""
    inter_threads: int = Field(default=0, ge=0, le=1024)
    """Batches decoded at once on the CPU; 0: one for each core."""
    intra_threads: int = Field(default=0, ge=0, le=1024)
    """Threads for each batch; 0: one."""


class ScoreConfig(_Section):
    """The costly scores."""

    teacher: str = "muse"
    """The sentence encoder for the similarity: ``muse``, a directory or an id at Hugging Face; ``none``: none."""
    teacher_prefix: str | None = None
    """Stands before each text that the teacher reads; by default what its files say, and ``query: `` for an E5."""
    tokens: bool = False
    """Have the model read every translation once more, for how sure it is of each token; a third of the time again."""


class LanguageOverride(_Section):
    """What is judged otherwise in one language."""

    thresholds: dict[str, float | None] = {}
    """Replaces single thresholds; null switches the rule's bound off."""


class JudgeConfig(_Section):
    """Which rules drop a pair, and at which thresholds (see ``filters/verdict.py``)."""

    rules: Literal["default"] | list[str] = "default"
    thresholds: dict[str, float | None] = {}
    """For every language; null switches the bound off."""
    languages: dict[str, LanguageOverride] = {}
    """For one language, over ``thresholds``."""
    keep: float | None = Field(default=None, gt=0, le=1)
    """Of each language's distinct texts at least this share is kept: those that are likeliest clean."""
    min_clean_probability: Annotated[float, Field(ge=0, le=1)] | Literal["learnt"] | None = None
    """What is less likely clean is dropped; ``learnt``: the bound that the calibration offers."""
    calibration: str | None = None
    """A folder that ``captionloom calibrate`` wrote; by default ``calibration/`` in the run directory."""

    @field_validator("rules")
    @classmethod
    def _known_rules(cls, rules: Any) -> Any:
        for rule in [] if rules == "default" else rules:
            if rule not in RULES:
                raise ValueError(f"unknown rule {rule!r}{nearest(rule, list(RULES))}; known: {', '.join(RULES)}")
        return rules

    @property
    def active_rules(self) -> tuple[str, ...]:
        """The names of the rules that judge, in the order of their table.

        Judging by probability, the default is what no probability can tell: that there is no whole translation.
        """
        if self.by_probability:
            chosen = {*(CERTAIN if self.rules == "default" else self.rules), "low_clean_probability"}
            return tuple(rule for rule in RULES if rule in chosen)
        return tuple(RULES) if self.rules == "default" else tuple(rule for rule in RULES if rule in self.rules)

    @property
    def by_probability(self) -> bool:
        """Whether a calibration judges, and weighs, beside or instead of the rules."""
        return self.keep is not None or self.min_clean_probability is not None or self.calibration is not None


class ShardsConfig(_Section):
    """How samples are packed."""

    samples_per_shard: int = Field(default=1000, ge=1, le=1_000_000)
    """On average: a key's shard is a hash of the key. In layout ``pair``, of the media items, not of the pairs."""
    layout: Literal["item", "pair"] = "item"
    """``item``: a sample is a media item with all its captions; ``pair``: one caption in one language."""
    source_pairs: bool = True
    """In layout ``pair``, whether the source captions are samples too."""
    embeddings: bool = False
    """Write the teacher's embeddings of the source captions beside them (``.npy``); in layout ``item``."""


class RunnerConfig(_Section):
    """The local runner; other runners take their own options after ``--``."""

    workers: int = Field(default=0, ge=0, le=1024)
    """Parallel workers; 0: one for each core."""
    mode: Literal["multi_threading", "multi_processing"] = "multi_threading"


class Config(_Section):
    """One run."""

    input: InputConfig
    languages: Annotated[list[str], Field(min_length=1)]
    source_language: str = "en"
    out: str | None = None
    """The run directory; ``--out`` says it too."""
    ledger: str | None = None
    """By default ``ledger/`` in the run directory; may be shared by many runs."""
    translate: TranslateConfig = TranslateConfig()
    score: ScoreConfig = ScoreConfig()
    judge: JudgeConfig = JudgeConfig()
    shards: ShardsConfig = ShardsConfig()
    runner: RunnerConfig = RunnerConfig()

    def thresholds_for(self, language: str) -> Thresholds:
        """Return the thresholds in force for ``language``."""
        override = self.judge.languages.get(language)
        own = self.judge.thresholds | (override.thresholds if override else {})
        return Thresholds.for_language(language, self.score.teacher).replaced(own)


def nearest(word: str, known: list[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known word nearest to ``word``, or nothing."""
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
