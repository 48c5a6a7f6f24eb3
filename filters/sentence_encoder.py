"""Sentence encoders of the BERT and XLM-R families as teachers, run by CTranslate2: LaBSE, multilingual E5, MiniLM."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import ctranslate2
import numpy as np
import numpy.typing as npt
import threadpoolctl
import tokenizers
from safetensors import SafetensorError
from safetensors.numpy import load_file

from filters.encoder_files import EncoderError, EncoderFiles
from filters.similarity import Embeddings

_Mask = npt.NDArray[np.float32]

_CPU_TOKENS: Final = 512
_GPU_TOKENS: Final = 16_384
"""Padded tokens in one batch: on a CPU, what stays in its cache."""

_UNKNOWN: Final = ("[UNK]", "<unk>")
"""The one special token that a text may have: WordPiece's, or that of XLM-R."""


class SentenceEncoder:
    """An encoder with what sentence-transformers puts behind it: pooling, dense layers, length 1.

    int8 on a CPU, half precision on a GPU, where they are supported. `embed` may be called from several threads,
    which share its workers; the same list has the same embeddings, to the bit on a CPU.
    """

    def __init__(self, files: EncoderFiles, *, device: str, device_index: Sequence[int], workers: int) -> None:
        """Load the model to ``device`` (``cpu`` or ``cuda``): a replica on each GPU, or ``workers`` batches at once.

        From then on this process's BLAS has one thread, as `MuseTeacher` explains. Raises `EncoderError`, in one
        line, where the files do not load or do not fit each other.
        """
        self._files = files
        supported = ctranslate2.get_supported_compute_types(device)
        wanted = "int8" if device == "cpu" else "float16"
        gpu = device != "cpu"
        self._limit = _GPU_TOKENS if gpu else _CPU_TOKENS
        self._workers = max(1, len(device_index)) if gpu else workers
        threadpoolctl.threadpool_limits(limits=1, user_api="blas")
        try:
            self._tokenizer = _tokenizer(files)
            # A text that says "</s>" is not to be read as the token.
            self._special = frozenset(
                i
                for i, token in self._tokenizer.get_added_tokens_decoder().items()
                if token.special and token.content not in _UNKNOWN
            )
            self._dense = [(*_layer(files.path / dense.weights), dense.activation) for dense in files.dense]
            self._encoder = ctranslate2.Encoder(
                str(files.path),
                device=device,
                device_index=list(device_index) or [0],
                compute_type=wanted if wanted in supported else "float32",
                inter_threads=1 if gpu else workers,
                intra_threads=1,
            )
            dimension = self.embed(["dimension"]).shape[1]
        except Exception as error:  # the tokenizer's library raises plain Exceptions
            problem = " ".join(str(error).split())
            raise EncoderError(f"teacher {files.name!r} does not load from {files.path}: {problem}") from error
        self.dimension: Final = dimension

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        return self._files.name

    @property
    def digest(self) -> str:
        """Changes whenever the same text might be embedded otherwise."""
        return self._files.identity

    def knows(self, language: str) -> bool:
        """Return whether the model card lists ``language`` (BCP-47; its first subtag counts), or lists none."""
        return self._files.knows(language)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return float32 [texts, dimension], each row of length 1; equal texts are computed once."""
        if not len(texts):
            return np.empty((0, self.dimension), np.float32)
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        ids = self._ids(list(rows))
        batches = list(self._batches([len(one) for one in ids]))
        if len(batches) > 1 and self._workers > 1:
            with ThreadPoolExecutor(self._workers) as pool:
                found = list(pool.map(lambda batch: self._pooled([ids[i] for i in batch]), batches))
        else:
            found = [self._pooled([ids[i] for i in batch]) for batch in batches]
        pooled = np.empty((len(ids), found[0].shape[1]), np.float32)
        for batch, states in zip(batches, found, strict=True):
            pooled[batch] = states
        for weight, bias, activation in self._dense:
            pooled = pooled @ weight.T + bias
            pooled = np.tanh(pooled) if activation == "Tanh" else pooled
        pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return pooled[[rows[text] for text in texts]]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        texts = [self._files.prefix + text for text in texts]
        if self._files.lower_case:
            texts = [text.lower() for text in texts]
        return [self._without_special(encoding) for encoding in self._tokenizer.encode_batch(texts)]

    def _without_special(self, encoding: tokenizers.Encoding) -> list[int]:
        """Return the ids of a text without special tokens but those around it: XLM-R's pieces include them."""
        ids: list[int] = encoding.ids
        if self._special.isdisjoint(ids[1:-1]):
            return ids
        around = encoding.special_tokens_mask
        return [i for i, added in zip(ids, around, strict=True) if added or i not in self._special]

    def _batches(self, lengths: list[int]) -> Iterator[list[int]]:
        """Yield the indexes of texts of nearly equal length, the longest first, as many as the limit allows."""
        batch: list[int] = []
        for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            if batch and lengths[batch[0]] * (len(batch) + 1) > self._limit:
                yield batch
                batch = []
            batch.append(i)
        yield batch

    def _pooled(self, ids: list[list[int]]) -> Embeddings:
        """Return float32 [texts, width] of one batch of token ids."""
        lengths = np.array([len(one) for one in ids], np.int32)
        padded = np.zeros((len(ids), lengths.max()), np.int32)
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded[mask] = np.concatenate(ids)
        try:
            view = self._encoder.forward_batch(
                ctranslate2.StorageView.from_array(padded), ctranslate2.StorageView.from_array(lengths)
            ).last_hidden_state
        except RuntimeError as error:
            if "out of memory" not in str(error).lower() or len(ids) == 1:
                raise
            half = len(ids) // 2
            return np.concatenate([self._pooled(ids[:half]), self._pooled(ids[half:])])
        view = view.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
        return pool(np.array(view), mask.astype(np.float32), self._files.pooling)


def pool(states: Embeddings, mask: _Mask, modes: Sequence[str]) -> Embeddings:
    """Return float32 [texts, width × modes] of ``states`` [texts, tokens, width]; ``mask`` [texts, tokens] is 0 or 1.

    ``modes`` are those of sentence-transformers' Pooling module: ``cls`` (the first token's state), ``max``, ``mean``,
    ``mean_sqrt_len`` (the sum over the root of the length).
    """
    return np.concatenate([_pool(states, mask, mode) for mode in modes], axis=1)


def _pool(states: Embeddings, mask: _Mask, mode: str) -> Embeddings:
    if mode == "cls":
        return states[:, 0]
    if mode == "max":
        return np.where(mask[:, :, None] > 0, states, np.float32(-np.inf)).max(axis=1)
    length = mask.sum(axis=1, keepdims=True)
    total: Embeddings = np.einsum("nld,nl->nd", states, mask)
    return total / (length if mode == "mean" else np.sqrt(length))


def _tokenizer(files: EncoderFiles) -> tokenizers.Tokenizer:
    """Return the tokenizer; raises `EncoderError` where it has tokens that the model has not."""
    tokenizer = tokenizers.Tokenizer.from_file(str(files.path / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(files.max_length)
    tokenizer.encode_special_tokens = True  # BERT's are no pieces: its tokenizer then splits "[SEP]"
    rows = _rows(files.path)
    last = max((*tokenizer.get_vocab(with_added_tokens=False).values(), *tokenizer.encode("").ids))
    if last >= rows:  # CTranslate2 would read behind its embeddings
        raise EncoderError(f"tokenizer.json has {last + 1:,} tokens and the model {rows:,}: they are not of one model")
    return tokenizer


def _rows(path: Path) -> int:
    """Return how many tokens the model has."""
    file = path / "vocabulary.json"
    if file.is_file():
        return len(json.loads(file.read_text("utf-8")))
    return len((path / "vocabulary.txt").read_text("utf-8").removesuffix("\n").split("\n"))


def _layer(file: Path) -> tuple[Embeddings, Embeddings]:
    """Return the weight [out, in] and the bias [out] of a dense layer."""
    try:
        tensors = load_file(file)
        weight = tensors["linear.weight"].astype(np.float32)
    except (SafetensorError, KeyError) as error:
        raise EncoderError(f"{file} has no linear.weight: {error}") from error
    return weight, tensors.get("linear.bias", np.zeros(len(weight))).astype(np.float32)
