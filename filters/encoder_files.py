"""What the files of a sentence encoder say: pooling, dense layers, prefix, languages. Nothing here loads the model.

The layout is that of sentence-transformers (Reimers and Gurevych 2019; https://sbert.net): ``modules.json`` lists the
modules in their order, and each has a folder with its ``config.json``. Beside them lie CTranslate2's ``model.bin`` and
``tokenizer.json``.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import langcodes
import yaml

POOLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pooling_mode_cls_token": "cls",
        "pooling_mode_max_tokens": "max",
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    }
)
"""The entry of a pooling module's configuration → our name; in the order in which several are joined."""

_UNKNOWN_POOLINGS: Final = ("pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken")

_MODULES: Final = ("Transformer", "Pooling", "Dense", "Normalize")
"""The modules that are known, in the only order that is."""

_FOLDER: Final = re.compile(r"\w[\w.-]*")

_ACTIVATIONS: Final = ("Identity", "Tanh")

_DEFAULT_LENGTH: Final = 512
"""Positions of BERT and XLM-R."""

_E5: Final = re.compile(r"(?:^|[-_.])e5(?:[-_.]|$)")
_E5_PREFIX: Final = "query: "
"""E5's model cards want it before both sides of a symmetric comparison; its files do not say so."""

_HEAD: Final = re.compile(r"---[ \t]*\n(.*?\n)---[ \t]*(?:\n|$)", re.DOTALL)
_LANGUAGES: Final = re.compile(r"^language(?:_bcp47)?:.*\n(?:[ \t\]-].*\n)*", re.MULTILINE)
"""One entry of a model card's YAML head; the others may be long, with the results of all benchmarks."""

_NO_LANGUAGES: Final = frozenset({"mis", "mul", "und", "zxx"})
_NORWEGIAN: Final = frozenset({"nb", "nn"})
"""``langcodes`` leaves these two apart from ``no``, which is what the cards of LaBSE and E5 say."""


class EncoderError(ValueError):
    """A sentence encoder that is not whole, or has a part that is not known."""


@dataclass(frozen=True)
class Dense:
    """A linear layer after pooling."""

    weights: str
    """Safetensors file, below the directory, of ``linear.weight`` [out, in] and perhaps ``linear.bias`` [out]."""
    activation: str
    """``Identity`` or ``Tanh``."""


@dataclass(frozen=True)
class EncoderFiles:
    """A CTranslate2 directory of a sentence encoder, found whole."""

    name: str
    """As the configuration says it."""
    path: Path
    digest: str
    """BLAKE2b (16 bytes, hexadecimal) of the files that are read, of the model card its languages alone."""
    size: int
    """Bytes."""
    pooling: tuple[str, ...]
    """Values of `POOLINGS`; several are joined, one behind the other."""
    dense: tuple[Dense, ...]
    max_length: int
    """Tokens at most, special ones and prefix included; what is longer is cut off."""
    lower_case: bool
    prefix: str
    """Stands before every text."""
    languages: frozenset[str]
    """What the model card lists, in ISO 639, as macrolanguages; empty where it lists none."""
    documented: bool
    """Whether ``modules.json`` is there; without it, mean pooling is assumed."""

    @property
    def identity(self) -> str:
        """Changes whenever the same text might be embedded otherwise."""
        return f"{self.digest}-{self.prefix}"

    def knows(self, language: str) -> bool:
        """Return whether the card lists ``language`` (BCP-47; its first subtag counts), or lists none at all."""
        return not self.languages or _macro(language) in self.languages

    def notes(self) -> list[str]:
        """Return, as sentences, what was assumed because no file says it."""
        said = []
        if not self.documented:
            said.append(
                f"the teacher {self.name!r} has no modules.json of sentence-transformers: mean pooling is assumed"
            )
        if not self.languages:
            said.append(f"the card of the teacher {self.name!r} lists no languages: it is taken to know all")
        return said

    def summary(self) -> str:
        """Say how a text becomes an embedding."""
        parts = [f"pooling {' and '.join(self.pooling)}"]
        if self.dense:
            parts.append(f"{len(self.dense)} dense layer{'s' if len(self.dense) > 1 else ''}")
        if self.prefix:
            parts.append(f"prefix {self.prefix!r}")
        return ", ".join(parts)


def read_encoder(path: Path, name: str) -> EncoderFiles:
    """Return what the files of the sentence encoder in the CTranslate2 directory ``path`` say.

    ``name`` is for messages, and tells an E5, whose files do not name their prefix. Raises `EncoderError` naming the
    missing or broken file, or the module that is not known.
    """
    for needed in ("model.bin", "config.json"):
        if not (path / needed).is_file():
            raise EncoderError(f"teacher {name!r}: {path} lacks {needed}")
    if not any((path / f"vocabulary.{suffix}").is_file() for suffix in ("json", "txt")):
        raise EncoderError(f"teacher {name!r} is no sentence encoder: {path} lacks vocabulary.json")
    if not (path / "tokenizer.json").is_file():
        raise EncoderError(f"teacher {name!r}: {path} lacks tokenizer.json")
    modules = _modules(path)
    pooling: tuple[str, ...] = ("mean",)
    dense: list[Dense] = []
    for kind, folder in modules:
        if kind == "Pooling":
            pooling = _pooling(folder)
        elif kind == "Dense":
            dense.append(_dense(path, folder))
    settings = _mapping(path / "sentence_bert_config.json")
    languages = _languages(path)
    files = _identity(path, [folder for _, folder in modules if folder != path])
    return EncoderFiles(
        name=name,
        path=path,
        digest=_digest(path, files, languages),
        size=sum(file.stat().st_size for file in files),
        pooling=pooling,
        dense=tuple(dense),
        max_length=_length(settings, _mapping(path / "tokenizer_config.json")),
        lower_case=settings.get("do_lower_case") is True,
        prefix=_prefix(path, name),
        languages=languages,
        documented=bool(modules),
    )


def last_name(name: str) -> str:
    """Return the last part of a teacher's name in lower case: of a path, or of an id without its revision."""
    whole = name if name.startswith("/") else name.split("@")[0]
    return whole.rstrip("/").rpartition("/")[2].lower()


def _modules(path: Path) -> list[tuple[str, Path]]:
    """Return the kind and the folder of each module, in their order; none without ``modules.json``."""
    file = path / "modules.json"
    if not file.is_file():
        return []
    content = _json(file)
    try:
        # The class has moved within the package in the course of its releases; its name has not.
        modules = [(str(module["type"]).rpartition(".")[2], str(module["path"])) for module in content]
    except (TypeError, KeyError) as error:
        raise EncoderError(f"{file} is not a list of modules with type and path") from error
    for kind, _ in modules:
        if kind not in _MODULES:
            raise EncoderError(f"{file} has a module {kind!r}; known are {', '.join(_MODULES)}")
    kinds = [kind for kind, _ in modules]
    if not modules or modules[0] != ("Transformer", ""):
        raise EncoderError(f"{file} does not begin with a Transformer in this folder")
    if kinds != sorted(kinds, key=_MODULES.index) or any(kinds.count(one) != 1 for one in _MODULES[:2]):
        raise EncoderError(
            f"{file} lists {', '.join(kinds)}; known is one Transformer, one Pooling, then Dense, then Normalize"
        )
    for _, folder in modules[1:]:
        if not _FOLDER.fullmatch(folder):
            raise EncoderError(f"{file} has a module in {folder!r}, which is no folder beside it")
    return [(kind, path / folder) for kind, folder in modules]


def _pooling(folder: Path) -> tuple[str, ...]:
    file = folder / "config.json"
    if not file.is_file():
        raise EncoderError(f"{folder} lacks config.json")
    config = _mapping(file)
    if config.get("include_prompt") is False:
        raise EncoderError(f"{file} leaves the prompt out of the pooling (include_prompt), which is not known")
    if "pooling_mode" in config:  # the newer way to say it
        modes = config["pooling_mode"]
        named = [str(mode) for mode in modes] if isinstance(modes, list) else [str(modes)]
        # Here the fourth has another name than in the older entries.
        chosen = tuple("mean_sqrt_len" if mode == "mean_sqrt_len_tokens" else mode for mode in named)
        unknown = [mode for mode in chosen if mode not in POOLINGS.values()]
    else:
        unknown = [name for name in _UNKNOWN_POOLINGS if config.get(name)]
        chosen = tuple(ours for theirs, ours in POOLINGS.items() if config.get(theirs)) or ("mean",)
    if unknown or not chosen:
        raise EncoderError(
            f"{file} asks for {', '.join(unknown) or 'no pooling'}; known are {', '.join(POOLINGS.values())}"
        )
    return chosen


def _dense(path: Path, folder: Path) -> Dense:
    file = folder / "config.json"
    config = _mapping(file)
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise EncoderError(f"{file} has the activation {activation!r}; known are {', '.join(_ACTIVATIONS)}")
    if config.get("use_residual"):
        raise EncoderError(f"{file} has a residual connection (use_residual), which is not known")
    for end in ("module_input_name", "module_output_name"):
        if config.get(end) not in (None, "sentence_embedding"):
            raise EncoderError(f"{file} has {end} {config[end]!r}; known is sentence_embedding")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise EncoderError(f"{folder} lacks model.safetensors")
    return Dense(weights.relative_to(path).as_posix(), activation)


def _prefix(path: Path, name: str) -> str:
    file = path / "config_sentence_transformers.json"
    settings = _mapping(file)
    prompts, chosen = settings.get("prompts"), settings.get("default_prompt_name")
    if chosen is not None:
        prompt = prompts.get(chosen) if isinstance(prompts, dict) and isinstance(chosen, str) else None
        if not isinstance(prompt, str):
            raise EncoderError(f"{file} has no prompt {chosen!r}")
        return prompt
    # Its relatives for instructions take none on the side of what is compared.
    last = last_name(name)
    return _E5_PREFIX if _E5.search(last) and "instruct" not in last else ""


def _length(settings: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> int:
    lengths = [settings.get("max_seq_length"), tokenizer.get("model_max_length"), _DEFAULT_LENGTH]
    # Hugging Face writes 1e30 where a tokenizer knows no limit, and JSON's true is an int in Python.
    return min(n for n in lengths if isinstance(n, int) and not isinstance(n, bool) and n > 0)


def _languages(path: Path) -> frozenset[str]:
    """Return the codes that the model card's YAML head lists under ``language`` and ``language_bcp47``."""
    try:
        head = _HEAD.match((path / "README.md").read_text("utf-8"))
        entries = "".join(_LANGUAGES.findall(head[1])) if head else ""
        # Base YAML: "no" is a language, not a truth value.
        card = yaml.load(entries, yaml.BaseLoader)  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError):
        return frozenset()
    listed: list[object] = []
    for entry in card.values() if isinstance(card, dict) else ():
        listed += entry if isinstance(entry, list) else [entry]
    # Cards say "multilingual" too, which is no code.
    codes = [str(code) for code in listed if re.fullmatch(r"[A-Za-z]{2,3}([-_]\w+)*", str(code))]
    return frozenset(map(_macro, codes)) - _NO_LANGUAGES


def _macro(code: str) -> str:
    """Return the language of a BCP-47 code without script and region: Norwegian for Bokmål, Chinese for Mandarin."""
    language = langcodes.standardize_tag(re.split("[-_]", code)[0], macro=True)
    return "no" if language in _NORWEGIAN else language


def _identity(path: Path, folders: list[Path]) -> list[Path]:
    """Return the files that decide on an embedding: those beside the model, and those of its modules."""
    names = (
        "config.json",
        "model.bin",
        "vocabulary.json",
        "vocabulary.txt",
        "tokenizer.json",
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "tokenizer_config.json",
    )
    below = [folder / name for folder in folders for name in ("config.json", "model.safetensors")]
    return [file for file in (*(path / name for name in names), *below) if file.is_file()]


def _digest(path: Path, files: list[Path], languages: frozenset[str]) -> str:
    digest = hashlib.blake2b(" ".join(sorted(languages)).encode(), digest_size=16)
    for file in files:
        digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _mapping(file: Path) -> dict[str, Any]:
    """Return the JSON object in ``file``, an empty one where there is no file."""
    if not file.is_file():
        return {}
    content = _json(file)
    if not isinstance(content, dict):
        raise EncoderError(f"{file} is not a mapping of settings")
    return content


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise EncoderError(f"{file} is not JSON: {error}") from error
