"""What to train, on what, and how to judge it: the recipe, a YAML file."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Part):
    """Lines of one language: a text file, a column of a TSV file, or COCO's captions; ``.gz`` is unpacked."""

    file: Path
    """Relative to the folder of data; with ``./`` to the recipe's own."""
    column: int | None = None
    """Of a TSV file, the first is 0."""

    @field_validator("file", mode="before")
    @classmethod
    def _beside(cls, file: Any, info: ValidationInfo) -> Any:
        own = isinstance(file, str) and file.startswith("./") and info.context
        return info.context["beside"] / file if own else file


class Parallel(_Part):
    """Line-aligned texts in two languages."""

    source: str
    target: str
    sources: Text
    targets: list[Text] = Field(min_length=1)
    """Several are translations of the same sources: each epoch draws one of them for each line."""
    weight: float = Field(default=1.0, gt=0)
    """Share of the lines that an epoch takes; 2.5 takes all twice and half of them once more."""
    back_weight: float = Field(default=1.0, ge=0)
    """The same for the direction from target to source; 0 leaves it out."""
    hold_out: int = Field(default=0, ge=0)
    """So many lines at the end are validation, not training: for where there is no such file."""


class Monolingual(_Part):
    """Texts of one language that the model, once it can, translates for its own further training."""

    language: str
    text: Text
    targets: list[str]
    weight: float = Field(default=1.0, gt=0)
    back_weight: float = Field(default=1.0, ge=0)


class Shape(_Part):
    """The size of the network and of its vocabulary, by Marian's terms."""

    vocabulary: int = 8000
    d_model: int = 256
    ffn: int = 1024
    heads: int = 4
    encoder_layers: int = 6
    decoder_layers: int = 3
    positions: int = 256
    dropout: float = Field(default=0.15, ge=0, lt=1)


class Training(_Part):
    """The course of the training."""

    rounds: list[int] = Field(default=[8000], min_length=1)
    """Steps of each round; after each but the last the model translates the monolingual texts anew."""
    batch_tokens: int = 5000
    """Padded tokens of the larger side in a batch."""
    learning_rate: float = 1e-3
    warmup: int = 400
    """Steps in which the learning rate rises, at the start of each round."""
    decay: float = Field(default=0.4, gt=0, le=1)
    """Share of each round, its last part, in which the learning rate falls to zero, linearly."""
    smoothing: float = 0.1
    sampled: float = Field(default=0.4, ge=0, le=1)
    """Share of the texts that are cut into pieces at random (subword regularisation)."""
    alpha: float = 0.3
    """Of that sampling: 1 is nearly the best cut, 0 any."""
    average: float = 0.999
    """Decay of the moving average of the weights: the model that is judged and kept."""
    validate_every: int = 1000
    """Steps."""


class Recipe(_Part):
    """A recipe."""

    languages: dict[str, str] = Field(min_length=2)
    """BCP-47 code → the target token that asks for it, ``>>deu<<``."""
    parallel: list[Parallel] = Field(min_length=1)
    monolingual: list[Monolingual] = []
    validation: list[Parallel] = []
    test: dict[str, Parallel] = {}
    """Name → texts; no line of these, nor of the validation, is ever trained on, in any language."""
    network: Shape = Shape()
    training: Training = Training()
    seed: int = 17


def read_recipe(file: Path) -> Recipe:
    """Read a recipe; raises `pydantic.ValidationError` or `OSError`."""
    content: Any = yaml.safe_load(file.read_text("utf-8"))
    return Recipe.model_validate(content, context={"beside": file.resolve().parent})
