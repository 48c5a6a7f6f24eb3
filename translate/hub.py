"""A model's name becomes a directory: the bundled one, a local one, or one fetched and converted into the cache.

The cache holds ``models/DIGEST/``, complete directories under the digest of their content, and ``names/…json``, which
say what a name stood for when it was fetched. A directory gets its name when it is whole, and the note is written
last: whatever is interrupted leaves only files whose names nobody looks for.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import yaml

from translate.models import MINI, Model, ModelError, content_digest, read_model

_HUB_ID: Final = re.compile(r"(?P<id>(?!\.)[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")

_FETCHED: Final = [
    "*.json",
    "*.txt",
    "*.spm",
    "*.model",
    "README.md",
    "LICENSE*",
]
"""What is downloaded beside the weights; no Python among it."""

_FETCHED_BELOW: Final = re.compile(r"\d+_\w+/(config\.json|model\.safetensors|pytorch_model\.bin)")
"""What is downloaded of the further modules of a sentence encoder."""

_WEIGHTS: Final = ("model.bin", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""The first of these that is there is taken: a converted model, else tensors, else a pickle of tensors alone."""

_VERSION: Final = 1
"""Of the conversion: another one converts anew."""


class Stored(Protocol):
    """What the files of a model directory say: `Model`, or its like for a sentence encoder."""

    @property
    def path(self) -> Path:
        """The directory."""

    @property
    def digest(self) -> str:
        """Of the files that decide what the model says."""


S = TypeVar("S", bound=Stored)

Reader = Callable[[Path, str], S]
"""(directory, name for messages) → what the files say; raises ValueError where they are not whole."""


@dataclass(frozen=True)
class Origin:
    """Where a model comes from."""

    source: str
    """``bundled``, the path, or the id at Hugging Face."""
    revision: str | None
    """The commit that was fetched."""
    licence: str | None
    """As the model card states it."""


def cache_dir() -> Path:
    """Return the folder of fetched models: ``CAPTIONLOOM_CACHE``, else below XDG's cache."""
    if own := os.environ.get("CAPTIONLOOM_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "captionloom"


def is_hub_id(name: str) -> bool:
    """Return whether ``name`` has the form of an id at Hugging Face: ``ORGANISATION/MODEL``, or with ``@REVISION``."""
    return _HUB_ID.fullmatch(name) is not None


def resolve(name: str) -> Model:
    """Return the model that ``name`` means: ``mini``, a local directory, or an id at Hugging Face (``ID@REVISION``).

    A directory in Hugging Face's layout is converted into the cache, an id is fetched at the revision named, or at
    the newest one, to which it stays pinned. Raises `ModelError` saying what was looked for and how to provide it.
    """
    return find(name)[0]


def find(name: str, *, make: bool = True) -> tuple[Model, Origin]:
    """Return the model that ``name`` means, as `resolve`, and where it comes from.

    Without ``make`` nothing is fetched or converted: what is not in the cache is a `ModelError` that says so.
    """
    if name == "mini":
        return read_model(MINI, name), Origin("bundled", None, "Apache-2.0")
    return find_as(read_model, name, others=("mini",), example="Helsinki-NLP/opus-mt-en-de", make=make)


def find_as(read: Reader[S], name: str, *, others: Sequence[str], example: str, make: bool = True) -> tuple[S, Origin]:
    """Return what ``read`` says of the directory, or of the id at Hugging Face, that ``name`` means; as `find`.

    ``others`` are the names that could have been meant, ``example`` an id, for the message.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if (path / "model.bin").is_file():
            return read(path, name), Origin(str(path), None, _licence(path))
        if (path / "config.json").is_file():
            return _converted(read, name, path, make=make)
        raise ModelError(f"model {name!r}: {path} holds neither model.bin (CTranslate2) nor config.json (Hugging Face)")
    named = _HUB_ID.fullmatch(name)
    if named is None:
        raise ModelError(
            f"model {name!r}: no such directory; accepted are {', '.join(map(repr, others))}, a directory in "
            f"CTranslate2's or Hugging Face's layout, and an id at Hugging Face such as {example}"
        )
    return _fetched(read, name, named["id"], named["revision"], make=make)


def place(model: Stored) -> Path:
    """Return where ``model`` lies on this machine: a worker's cache may be elsewhere than its planner's."""
    own = cache_dir() / "models" / model.digest
    return own if not model.path.is_dir() and own.is_dir() else model.path


def _converted(read: Reader[S], name: str, path: Path, *, make: bool) -> tuple[S, Origin]:
    """Return the conversion of the Hugging Face directory ``path``, made now unless the cache has it."""
    key = f"local-{_content_key(path)}"
    if found := _cached(read, key, name):
        return found, Origin(str(path), None, _licence(path))
    _check_may_make(name, make=make)
    with _beginning() as part:
        _convert(name, path, part / "model")
        model = _keep(read, name, part / "model", key, {"source": str(path)})
    return model, Origin(str(path), None, _licence(path))


def _fetched(read: Reader[S], name: str, model_id: str, revision: str | None, *, make: bool) -> tuple[S, Origin]:
    """Return the model of an id, from the cache or else from Hugging Face."""
    key = f"hub-{model_id.replace('/', '--')}@{(revision or 'default').replace('/', '--')}"
    model = _cached(read, key, name)
    if model is None:
        _check_may_make(name, make=make)
        with _beginning() as part:
            commit = _download(name, model_id, revision, part / "source")
            source = part / "source"
            if not (source / "model.bin").is_file():
                _convert(name, source, part / "model")
                source = part / "model"
            model = _keep(read, name, source, key, {"source": model_id, "revision": commit})
    note = _note(key)
    return model, Origin(model_id, note.get("revision"), _licence(model.path))


def _check_may_make(name: str, *, make: bool) -> None:
    if not make:
        raise ModelError(
            f"model {name!r} is not in the cache {cache_dir()} yet: `captionloom models fetch CONFIG` puts it there, "
            "and so does a run"
        )


def _download(name: str, model_id: str, revision: str | None, out: Path) -> str:
    """Fetch what a conversion needs to ``out`` and return the commit; raises `ModelError`."""
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    where = model_id + (f" at revision {revision}" if revision else "")
    provide = (
        "to provide it without a network, run `captionloom models fetch CONFIG` where there is one and copy "
        f"{cache_dir()} here (CAPTIONLOOM_CACHE names another folder), or name a local directory"
    )
    endpoint = os.environ.get("HF_ENDPOINT") or huggingface_hub.constants.ENDPOINT
    try:
        about = huggingface_hub.HfApi(endpoint).model_info(model_id, revision=revision)
        files = {file.rfilename for file in about.siblings or ()}
        weights = next((known for known in _WEIGHTS if known in files), None)
        if weights is None:
            raise ModelError(f"model {name!r}: {where} at Hugging Face has no {', '.join(_WEIGHTS)}")
        patterns = [*_FETCHED, weights, "model-*.safetensors" if weights.endswith(".index.json") else weights]
        for file in sorted(files):
            top = "/" not in file and any(fnmatch(file, pattern) for pattern in patterns)
            if top or _FETCHED_BELOW.fullmatch(file):
                huggingface_hub.hf_hub_download(model_id, file, revision=about.sha, local_dir=out, endpoint=endpoint)
    except GatedRepoError as error:  # one of the next two, so it comes before them
        raise ModelError(
            f"model {name!r}: {model_id} is gated at Hugging Face: accept its terms on its page there, and set "
            "HF_TOKEN to a token of that account"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelError(
            f"model {name!r}: there is no directory of that name, and no {where} at Hugging Face"
        ) from error
    except ModelError:
        raise
    except Exception as error:  # whatever the library's HTTP client of the day raises
        raise ModelError(
            f"model {name!r}: there is no directory of that name, the cache {cache_dir()} does not have it, and "
            f"{where} cannot be fetched from Hugging Face ({type(error).__name__}); {provide}"
        ) from error
    return str(about.sha)


def _convert(name: str, source: Path, out: Path) -> None:
    try:
        from translate.convert import convert
    except ImportError as error:
        raise ModelError(
            f"model {name!r} has to be converted, which needs the extra 'torch': pip install 'captionloom[torch]'; or "
            f"convert it elsewhere and name the directory ({error})"
        ) from error
    try:
        convert(source, out)
    except ModelError as error:
        raise ModelError(f"model {name!r}: {error}") from error


@contextmanager
def _beginning() -> Iterator[Path]:
    """Give a folder in the cache to work in, which is gone afterwards."""
    models = cache_dir() / "models"
    try:
        models.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=models))
    except OSError as error:
        raise ModelError(
            f"the cache {cache_dir()} cannot be written ({error}); CAPTIONLOOM_CACHE names another"
        ) from error
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _keep(read: Reader[S], name: str, made: Path, key: str, note: dict[str, Any]) -> S:
    """Move a finished directory to its place, note what it is, and return it."""
    model = read(made, name)  # what cannot be used is not kept
    shutil.rmtree(made / ".cache", ignore_errors=True)  # the downloader's own notes
    home = cache_dir() / "models" / model.digest
    for file in made.rglob("*"):
        if file.is_file():
            _synced(file)
    try:
        made.rename(home)
    except OSError:
        if not home.is_dir():
            raise
        # Another process was faster, or an older note was lost: what lies there is the same, to the byte.
    names = cache_dir() / "names"
    names.mkdir(exist_ok=True)
    part = names / f".part-{os.getpid()}-{key}.json"
    part.write_text(json.dumps({**note, "digest": model.digest, "version": _VERSION}, indent=1), "utf-8")
    _synced(part)
    part.replace(names / f"{key}.json")
    return read(home, name)


def _synced(file: Path) -> None:
    with file.open("rb") as content:
        os.fsync(content.fileno())


def _cached(read: Reader[S], key: str, name: str) -> S | None:
    """Return what the cache has for ``key``, if it is whole."""
    note = _note(key)
    if note.get("version") != _VERSION:
        return None
    home = cache_dir() / "models" / str(note["digest"])
    if not home.is_dir():
        return None
    model = read(home, name)
    if model.digest != note["digest"]:
        raise ModelError(f"model {name!r}: {home} has changed since it was made; delete it, and it is made anew")
    return model


def _note(key: str) -> dict[str, Any]:
    try:
        note: Any = json.loads((cache_dir() / "names" / f"{key}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _content_key(path: Path) -> str:
    """Return a digest of the files of a Hugging Face directory that a conversion reads or keeps: names and content."""
    kinds = (".json", ".safetensors", ".bin", ".spm", ".model", ".txt", ".md")
    below = [file for file in path.glob("*/*") if _FETCHED_BELOW.fullmatch(file.relative_to(path).as_posix())]
    files = [file for file in (*path.iterdir(), *below) if file.is_file() and file.suffix in kinds]
    return content_digest(path, sorted(files))


def _licence(path: Path) -> str | None:
    """Return the licence that the card's YAML head states."""
    try:
        text = (path / "README.md").read_text("utf-8")
        head = yaml.safe_load(text.split("---", 2)[1]) if text.startswith("---") else None
    except (OSError, ValueError, IndexError, yaml.YAMLError):
        return None
    licence = head.get("license") if isinstance(head, dict) else None
    return str(licence) if licence else None
