"""A Hugging Face directory becomes a CTranslate2 one, with what captionloom reads beside it. Needs the extra ``torch``.

What CTranslate2's converters get wrong with the release of transformers that is pinned is put right here, nowhere else.
"""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import torch
import transformers
from ctranslate2.converters import TransformersConverter
from ctranslate2.converters import transformers as loaders
from safetensors.torch import save_file

from translate.families import TOKENIZER_FILES
from translate.models import ModelError

_FAMILIES: Final = {"marian", "m2m_100", "t5"}
"""``model_type`` of the translation models that the engine runs; NLLB-200 is an ``m2m_100``."""

_ENCODERS: Final = {"bert", "xlm-roberta"}
"""Encoders for teachers."""

_ALONGSIDE: Final = (*TOKENIZER_FILES, "README.md", "LICENSE")

_SENTENCE_ENCODER: Final = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")
"""What sentence-transformers writes beside an encoder; each further module has a folder of its own."""


def convert(source: Path, out: Path, *, quantization: str = "float16") -> None:
    """Convert the Hugging Face directory ``source`` to ``out``, which is made, by safe means only.

    No code of the model's is run, and a pickle is read for its tensors alone. The engine casts the weights to its
    compute type when it loads them, so half precision loses nothing that matters. Raises `ModelError` naming what
    cannot be converted.
    """
    kind = _kind(source)
    try:
        converter = _Converter(str(source), kind)
        converter.convert(str(out), quantization=quantization)
        if kind in _ENCODERS:
            _keep_sentence_encoder(source, out)
    except Exception as error:  # transformers and torch raise of every kind for a broken or dangerous directory
        raise ModelError(f"{source} cannot be converted: {type(error).__name__}: {error}") from error
    for name in _ALONGSIDE:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)


def _keep_sentence_encoder(source: Path, out: Path) -> None:
    """Write to ``out`` what makes an encoder one of sentences, as JSON and safetensors alone."""
    for name in _SENTENCE_ENCODER:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=True)
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    _write_length(source, out, tokenizer.model_max_length)
    for config in sorted(source.glob("[0-9]*_*/config.json")):
        folder = out / config.parent.name
        folder.mkdir()
        shutil.copyfile(config, folder / "config.json")
        weights, pickle = config.parent / "model.safetensors", config.parent / "pytorch_model.bin"
        if weights.is_file():
            shutil.copyfile(weights, folder / "model.safetensors")
        elif pickle.is_file():
            save_file(torch.load(pickle, map_location="cpu", weights_only=True), folder / "model.safetensors")


def _write_length(source: Path, out: Path, longest: int) -> None:
    """Write how many tokens a text may have: the encoder's positions are in no file of CTranslate2's."""
    config = json.loads((source / "config.json").read_text("utf-8"))
    positions = int(config["max_position_embeddings"])
    if config["model_type"] == "xlm-roberta":
        positions -= int(config.get("pad_token_id", 1)) + 1  # its positions begin behind that of the padding
    file = out / "sentence_bert_config.json"
    settings = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    lengths = [positions, longest, settings.get("max_seq_length") or positions]
    file.write_text(json.dumps({**settings, "max_seq_length": min(lengths)}), "utf-8")


def _kind(source: Path) -> str:
    try:
        config = json.loads((source / "config.json").read_text("utf-8"))
        kind = str(config.get("model_type"))
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{source} has no config.json of a Hugging Face model: {error}") from error
    if kind not in _FAMILIES | _ENCODERS:
        known = ", ".join(sorted(_FAMILIES | _ENCODERS))
        raise ModelError(f"{source} holds a model of type {kind!r}; known are {known}")
    return kind


class _Converter(TransformersConverter):
    """CTranslate2's converter with loaders of our own where its own fail."""

    def __init__(self, source: str, kind: str) -> None:
        super().__init__(source)
        self._source, self._kind = source, kind

    def _load(self) -> Any:
        loader, model_class = _LOADERS[self._kind]
        with torch.no_grad():
            # Both flags are the library's defaults; they are what keeps this safe, so they stand here.
            model = model_class.from_pretrained(
                self._source, dtype=torch.float32, trust_remote_code=False, weights_only=True, local_files_only=True
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                self._source, trust_remote_code=False, local_files_only=True
            )
            return loader()(model, tokenizer)


class _Vocabulary:
    """The token of every row of the embeddings: asked one by one, since the tokenizers do not list all of them."""

    def get_vocabulary(self, model: Any, tokenizer: Any) -> list[str]:
        """Return as many tokens as the model has rows, each once."""
        tokens: list[str] = []
        seen: set[str] = set()
        for i in range(model.config.vocab_size):
            token = tokenizer.convert_ids_to_tokens(i)
            if token is None or token in seen:
                token = f"<row_{i}>"  # a row that no token has, there to round up the size of the matrix
            seen.add(token)
            tokens.append(token)
        return tokens


class _M2M100(_Vocabulary, loaders.M2M100Loader):
    """Its own looks for ``additional_special_tokens``, which transformers 5 calls otherwise."""


class _T5(_Vocabulary, loaders.T5Loader):
    """Its own takes tied embeddings for the sign of scaled outputs, and transformers 5 says that all are tied.

    MADLAD-400's are not: its outputs would come out too small by the root of ``d_model``, without any error.
    """

    def get_model_spec(self, model: Any) -> Any:
        """Say of the outputs what the loader reads off the embeddings."""
        model.config.tie_word_embeddings = model.config.scale_decoder_outputs
        return super().get_model_spec(model)


class _Bert(_Vocabulary, loaders.BertLoader):
    """Its own asks which positions there are; transformers 5 has absolute ones only and does not say so any more."""

    def get_model_spec(self, model: Any) -> Any:
        """Say what the loader asks for."""
        model.config.position_embedding_type = "absolute"
        return super().get_model_spec(model)


class _XlmRoberta(_Vocabulary, loaders.XLMRobertaLoader):
    """Its own asks the same, and takes a classifier; teachers come as the encoder alone."""

    def get_model_spec(self, model: Any) -> Any:
        """Say what the loader asks for, and put the encoder where it looks for it."""
        model.config.position_embedding_type = "absolute"
        return super().get_model_spec(SimpleNamespace(config=model.config, roberta=model))


_LOADERS: Final[dict[str, tuple[Any, Any]]] = {
    "marian": (loaders.MarianMTLoader, transformers.MarianMTModel),
    "m2m_100": (_M2M100, transformers.M2M100ForConditionalGeneration),
    "t5": (_T5, transformers.T5ForConditionalGeneration),
    "bert": (_Bert, transformers.BertModel),
    "xlm-roberta": (_XlmRoberta, transformers.XLMRobertaModel),
}
