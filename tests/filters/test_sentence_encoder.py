"""A sentence encoder run by CTranslate2 computes what transformers and the formula of sentence-transformers do."""

import gzip
import itertools
import json
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import threadpoolctl
import torch
import transformers
from safetensors.numpy import load_file, save_file
from tiny_encoders import TOKENS, TinyEncoder, save_encoder

from filters.encoder_files import EncoderError, read_encoder
from filters.sentence_encoder import SentenceEncoder, pool
from translate.convert import convert

Embeddings = npt.NDArray[np.float32]

WORDS = [
    "a",
    "the",
    "dog",
    "dogs",
    "runs",
    "on",
    "A",
    "Dog",
    "Straße",
    "x-ray",
    "don't",
    ".",
    "3",
    "ж",
    "😀",
    "犬",
    "\u200d",
]


def random_texts() -> list[str]:
    """Return 200 texts: the empty one, one longer than the limit, unknown characters, and some twice."""
    draw = random.Random(5)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 12))) for _ in range(150)]
    return ["", "a dog runs " * TOKENS, *texts, *draw.choices(texts, k=48)]


TEXTS = random_texts()


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in float32, as on a processor without int8."""
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda _device: {"float32"})


def load(folder: Path, name: str = "mine", workers: int = 2) -> SentenceEncoder:
    """Load the CTranslate2 directory ``folder`` to the CPU."""
    return SentenceEncoder(read_encoder(folder, name), device="cpu", device_index=[0], workers=workers)


@pytest.fixture(scope="session", params=["bert", "xlm-roberta"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyEncoder, Path]:
    """Return a tiny encoder with mean pooling, as saved, and its conversion; do not change them."""
    folder = tmp_path_factory.mktemp(request.param)
    saved = save_encoder(folder / "saved", request.param)
    convert(saved.folder, folder / "converted", quantization="float32")
    return saved, folder / "converted"


@pytest.fixture
def copied(tiny: tuple[TinyEncoder, Path], tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Return a function that copies the converted encoder with one file replaced."""

    def replaced(name: str, content: str | bytes) -> Path:
        for file in tiny[1].rglob("*"):
            if file.is_file():
                copy = tmp_path / "copy" / file.relative_to(tiny[1])
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
        (tmp_path / "copy" / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "copy"

    return replaced


POOLED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "cls": lambda states: states[0],
    "max": lambda states: states.max(dim=0).values,
    "mean": lambda states: states.mean(dim=0),
    "mean_sqrt_len": lambda states: states.sum(dim=0) / len(states) ** 0.5,
}


def by_hand(saved: TinyEncoder, ids: Sequence[list[int]], pooling: str = "mean") -> Embeddings:
    """Compute the embeddings of token ids, one text at a time, by transformers and the formula."""
    rows = []
    for one in ids:
        with torch.no_grad():
            pooled = POOLED[pooling](saved.network(torch.tensor([one])).last_hidden_state[0])
            if saved.dense:
                pooled = torch.tanh(saved.dense(pooled))
        rows.append(pooled / pooled.norm())
    embeddings: Embeddings = torch.stack(rows).numpy()
    return embeddings


def ids_of(saved: TinyEncoder, texts: list[str]) -> list[list[int]]:
    """Return the ids that the tokenizer of transformers reads, cut off at the limit."""
    ids: list[list[int]] = saved.tokenizer(texts, truncation=True, max_length=TOKENS)["input_ids"]
    return ids


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
@pytest.mark.parametrize(
    ("pooling", "dense"),
    [("cls", None), ("max", None), ("mean", None), ("mean_sqrt_len", None), ("cls", "safetensors"), ("mean", "pickle")],
)
def test_embeddings(tmp_path: Path, family: str, pooling: str, dense: str | None) -> None:
    """Every pooling, with and without a dense layer, agrees to 1e-4 on 200 texts of every kind."""
    saved = save_encoder(tmp_path / "saved", family, pooling=pooling, dense=dense)
    convert(saved.folder, tmp_path / "converted", quantization="float32")
    encoder = load(tmp_path / "converted")
    found = encoder.embed(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (200, encoder.dimension) == (200, 24 if dense else 32)
    assert np.allclose(found, by_hand(saved, ids_of(saved, TEXTS), pooling), atol=1e-4)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_int8(tiny: tuple[TinyEncoder, Path]) -> None:
    """As it is computed on a CPU, each of 200 texts has nearly the direction of float32."""
    saved, folder = tiny
    cosines = np.einsum("ij,ij->i", load(folder).embed(TEXTS), by_hand(saved, ids_of(saved, TEXTS)))
    assert cosines.min() >= 0.99


@pytest.mark.usefixtures("exact")
def test_a_text_that_is_too_long(tiny: tuple[TinyEncoder, Path]) -> None:
    """It is cut off: what stands behind the limit does not matter, what stands before does."""
    embed = load(tiny[1]).embed
    one, other, short = embed(["a dog " * TOKENS, "a dog " * TOKENS + "runs", "a dog " * 3 + "runs"])
    assert np.array_equal(one, other)
    assert not np.allclose(one, short, atol=1e-2)


@pytest.mark.usefixtures("exact")
def test_the_prefix_stands_before_every_text(tiny: tuple[TinyEncoder, Path]) -> None:
    """An E5 reads it before the empty text too."""
    saved, folder = tiny
    prefixed = ids_of(saved, [f"query: {text}" for text in TEXTS[:20]])
    assert np.allclose(load(folder, "e5-tiny").embed(TEXTS[:20]), by_hand(saved, prefixed), atol=1e-4)


@pytest.mark.usefixtures("exact")
def test_lower_case(tiny: tuple[TinyEncoder, Path], copied: Callable[[str, str], Path]) -> None:
    """Where the files ask for it, a text is read in lower case, its prefix included."""
    folder = copied("sentence_bert_config.json", json.dumps({"do_lower_case": True, "max_seq_length": TOKENS}))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "The Dog: "}, "default_prompt_name": "query"})
    )
    lower = ids_of(tiny[0], ["the dog: a man runs"])
    assert np.allclose(load(folder).embed(["A Man RUNS"]), by_hand(tiny[0], lower), atol=1e-4)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(
    ("tiny", "text", "tokens"),
    [
        ("bert", "a dog [SEP] runs", "[CLS] a dog [ s ##e ##p ] runs [SEP]"),
        ("bert", "[CLS]", "[CLS] [ c ##l ##s ] [SEP]"),
        ("bert", "a ж dog", "[CLS] a [UNK] dog [SEP]"),
        ("xlm-roberta", "a dog </s> runs", "<s> ▁a ▁dog ▁ ▁runs </s>"),
        ("xlm-roberta", "a dog</s>", "<s> ▁a ▁dog </s>"),
        ("xlm-roberta", "<mask><pad><s>", "<s> ▁ </s>"),
        ("xlm-roberta", "a ж dog", "<s> ▁a ▁ <unk> ▁dog </s>"),
    ],
    indirect=["tiny"],
)
def test_a_text_that_says_a_token(tiny: tuple[TinyEncoder, Path], text: str, tokens: str) -> None:
    """It is not read as the token, neither as one that is added nor as a piece of XLM-R's vocabulary."""
    saved, folder = tiny
    ids = saved.tokenizer.convert_tokens_to_ids(tokens.split(" "))
    assert np.allclose(load(folder).embed([text]), by_hand(saved, [ids]), atol=1e-4)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_same_list_has_the_same_bits(tiny: tuple[TinyEncoder, Path], workers: int) -> None:
    """However many workers there are, and however many threads call at once with lists of their own."""
    lists = [TEXTS, TEXTS[::-1], TEXTS[:70]]
    alone = [load(tiny[1], workers=1).embed(texts).tobytes() for texts in lists]
    encoder = load(tiny[1], workers=workers)
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(encoder.embed, lists * 4))
    assert [embeddings.tobytes() for embeddings in together] == alone * 4


def test_blas_has_one_thread(tiny: tuple[TinyEncoder, Path]) -> None:
    """Else the bits of a dense layer would follow the number of cores."""
    load(tiny[1])
    assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"} == {1}


def test_equal_texts_are_computed_once(tiny: tuple[TinyEncoder, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three texts that stand in a list nine times, three are computed, and all nine have their embedding."""
    encoder = load(tiny[1])
    computed: list[list[int]] = []
    compute = encoder._pooled
    monkeypatch.setattr(encoder, "_pooled", lambda ids: (computed.extend(ids), compute(ids))[1])
    found = encoder.embed(["a dog", "two dogs", "", "a dog", "a dog", "", "two dogs", "a dog", ""])
    assert len(computed) == 3
    assert [[int(np.array_equal(row, found[i])) for i in range(3)] for row in found] == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
        [1, 0, 0],
        [0, 0, 1],
        [0, 1, 0],
        [1, 0, 0],
        [0, 0, 1],
    ]


def test_no_texts(tiny: tuple[TinyEncoder, Path]) -> None:
    """They have no embeddings, of the right width."""
    assert load(tiny[1]).embed([]).shape == (0, 32)


def test_what_it_says_of_itself(copied: Callable[[str, str], Path]) -> None:
    """Its name, whom it knows, and a digest that follows files and prefix."""
    folder = copied("README.md", "---\nlanguage: [en, de]\n---\n")
    encoder = load(folder, "e5-tiny")
    assert encoder.name == "e5-tiny"
    assert encoder.digest == f"{read_encoder(folder, 'e5-tiny').digest}-query: "
    assert [encoder.knows(code) for code in ("de-AT", "en", "fr")] == [True, True, False]


class _Small:
    """An encoder on a device that has memory for few texts at once."""

    def __init__(self, encoder: Any, most: int) -> None:
        self.encoder, self.most = encoder, most
        self.refused: list[int] = []
        self.lock = threading.Lock()

    def forward_batch(self, ids: Any, lengths: Any) -> Any:
        if lengths.shape[0] > self.most:
            with self.lock:
                self.refused.append(lengths.shape[0])
            raise RuntimeError("CUDA failed with error out of memory")
        return self.encoder.forward_batch(ids, lengths)


@pytest.mark.usefixtures("exact")
def test_a_batch_that_is_too_large_is_halved(tiny: tuple[TinyEncoder, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A device without memory for seven texts is asked for fewer, until it has done all, in their order."""
    encoder = load(tiny[1])
    wanted = encoder.embed(TEXTS)
    small = _Small(encoder._encoder, most=6)
    monkeypatch.setattr(encoder, "_encoder", small)
    assert np.allclose(encoder.embed(TEXTS), wanted, atol=1e-5)
    assert max(small.refused) > 12


def test_no_memory_for_a_single_text(tiny: tuple[TinyEncoder, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be halved any more is an error."""
    encoder = load(tiny[1])
    monkeypatch.setattr(encoder, "_encoder", _Small(encoder._encoder, most=0))
    with pytest.raises(RuntimeError, match="out of memory"):
        encoder.embed(["a dog", "two dogs"])


def refusal(folder: Path) -> str:
    """Return why the encoder does not load, the folder left out."""
    with pytest.raises(EncoderError) as refused:
        load(folder)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(f"teacher 'mine' does not load from {folder}: ")
    return message.split(": ", 1)[1].replace(str(folder), "DIR")


def test_a_model_that_was_not_copied_whole(
    tiny: tuple[TinyEncoder, Path], copied: Callable[[str, bytes], Path]
) -> None:
    """Its first half, an empty file or something else in its place do not load, and one line says why."""
    whole = (tiny[1] / "model.bin").read_bytes()
    assert refusal(copied("model.bin", whole[: len(whole) // 2]))
    assert refusal(copied("model.bin", b"")).startswith("File model.bin is incomplete")
    assert refusal(copied("model.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:06fb\n"))


def test_a_message_of_several_lines(tiny: tuple[TinyEncoder, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said in one, whatever the library below says."""

    def encoder(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA driver version is insufficient\n  for CUDA runtime version\n")

    monkeypatch.setattr("ctranslate2.Encoder", encoder)
    assert refusal(tiny[1]) == "CUDA driver version is insufficient for CUDA runtime version"


def test_a_tokenizer_that_is_none(copied: Callable[[str, str], Path]) -> None:
    """One line says what is wrong with it."""
    assert refusal(copied("tokenizer.json", "{}"))
    assert refusal(copied("tokenizer.json", "not JSON\nat all"))


def test_the_tokenizer_of_another_model(tiny: tuple[TinyEncoder, Path], copied: Callable[[str, str], Path]) -> None:
    """One with more tokens than the model has rows is refused: their embeddings would lie behind the others."""
    tokens = json.loads((tiny[1] / "vocabulary.json").read_text())
    last = len(tiny[0].tokenizer)
    assert refusal(copied("vocabulary.json", json.dumps(tokens[:100]))) == (
        f"tokenizer.json has {last:,} tokens and the model 100: they are not of one model"
    )


def test_dense_weights_that_do_not_fit(tmp_path: Path) -> None:
    """A layer for states of another width, or without its weight, is refused when it is loaded."""
    saved = save_encoder(tmp_path / "saved", "bert", dense="safetensors")
    convert(saved.folder, tmp_path / "converted")
    file = tmp_path / "converted/2_Dense/model.safetensors"
    weights = load_file(file)
    save_file({"linear.weight": weights["linear.weight"][:, :30].copy()}, file)
    assert "mismatch" in refusal(tmp_path / "converted")
    save_file({"weight": weights["linear.weight"]}, file)
    assert refusal(tmp_path / "converted") == "DIR/2_Dense/model.safetensors has no linear.weight: 'linear.weight'"
    file.write_bytes(b"no tensors")
    assert refusal(tmp_path / "converted").startswith("DIR/2_Dense/model.safetensors has no linear.weight: ")


def test_a_layer_without_bias(tmp_path: Path) -> None:
    """It adds nothing."""
    saved = save_encoder(tmp_path / "saved", "bert", dense="safetensors")
    convert(saved.folder, tmp_path / "converted")
    file = tmp_path / "converted/2_Dense/model.safetensors"
    weights = load_file(file)
    save_file({**weights, "linear.bias": np.zeros(24, np.float32)}, file)
    zero = load(tmp_path / "converted").embed(TEXTS)
    save_file({"linear.weight": weights["linear.weight"]}, file)
    assert np.array_equal(load(tmp_path / "converted").embed(TEXTS), zero)


def test_joined_poolings() -> None:
    """Several stand one behind the other; padding counts in none of them."""
    states = np.array([[[1, -2], [3, -4], [99, 99]], [[5, 6], [7, 8], [9, 1]]], np.float32)
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.float32)
    found = pool(states, mask, ("cls", "max", "mean", "mean_sqrt_len"))
    wanted = [
        [1, -2, 3, -2, 2, -3, 4 / 2**0.5, -6 / 2**0.5],
        [5, 6, 9, 8, 7, 5, 21 / 3**0.5, 15 / 3**0.5],
    ]
    assert np.allclose(found, wanted, atol=1e-6)


@pytest.mark.real
@pytest.mark.slow
def test_the_real_e5(shared_data: Path, tmp_path: Path) -> None:
    """On 1,000 captions in four languages its int8 embeddings have a cosine of 0.995 or more with float32's."""
    source = shared_data.parent / "models" / "multilingual-e5-small"
    if not source.is_dir():
        pytest.skip("../shared/models is not beside this checkout")
    captions = []
    for language in ("en", "de", "fr", "cs"):
        with gzip.open(shared_data / "multi30k" / f"test_2016_flickr.{language}.gz", "rt", encoding="utf-8") as lines:
            captions += [line.rstrip("\n") for line in itertools.islice(lines, 250)]
    convert(source, tmp_path / "converted")
    found = load(tmp_path / "converted", "multilingual-e5-small").embed(captions)

    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    network = transformers.AutoModel.from_pretrained(source, dtype=torch.float32).eval()
    rows = []
    for i in range(0, 1000, 50):
        batch = tokenizer([f"query: {text}" for text in captions[i : i + 50]], padding=True, return_tensors="pt")
        with torch.no_grad():
            states = network(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        rows.append(mean / mean.norm(dim=1, keepdim=True))
    wanted = torch.cat(rows).numpy()
    assert found.shape == wanted.shape == (1000, 384)
    assert np.einsum("ij,ij->i", found, wanted).min() >= 0.995
