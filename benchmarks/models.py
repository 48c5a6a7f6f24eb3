"""Models to measure on: the bundled one for transformers, and a random one of OPUS-MT's size."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from transformers import MarianConfig, MarianMTModel

from translate.models import MINI

_TYPES = ("<f4", "i1", "<i2", "<i4", "<f2")
"""CTranslate2's numbers of the types of its variables (``include/ctranslate2/types.h``)."""

_BLOCKS = {
    "self_attn": ("self_attention", ["linear_0", "linear_0", "linear_0", "linear_1"]),
    "encoder_attn": ("attention", ["linear_0", "linear_1", "linear_1", "linear_2"]),
}
"""Hugging Face's attentions → CTranslate2's, and where the projections of query, key, value and output lie."""


def read_weights(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the variables of a ``model.bin`` by name, as `ctranslate2.specs.ModelSpec.save` writes them."""
    with file.open("rb") as content:
        _number(content)
        _name(content)
        _number(content)
        found = {}
        for _ in range(_number(content)):
            name = _name(content)
            shape = [_number(content) for _ in range(content.read(1)[0])]
            kind = np.dtype(_TYPES[content.read(1)[0]])
            found[name] = np.frombuffer(content.read(_number(content)), kind).reshape(shape)
        aliases = [(_name(content), _name(content)) for _ in range(_number(content))]
    return found | {alias: found[name] for alias, name in aliases}


def _number(content: BinaryIO) -> int:
    return int(struct.unpack("<I", content.read(4))[0])


def _name(content: BinaryIO) -> str:
    (length,) = struct.unpack("<H", content.read(2))
    return content.read(length)[:-1].decode()


def unpacked_mini(out: Path) -> None:
    """Write the bundled model in float32 and Hugging Face's layout to ``out``."""
    weights = read_weights(MINI / "model.bin")

    def floats(name: str) -> torch.Tensor:
        values = weights[name].astype(np.float32)
        if f"{name}_scale" in weights:
            values /= weights[f"{name}_scale"][:, None]
        return torch.from_numpy(np.ascontiguousarray(values))

    embeddings = floats("decoder/embeddings/weight")
    names = [*json.loads((MINI / "shared_vocabulary.json").read_text("utf-8")), "<pad>"]
    layers = {
        side: len(
            {name for name in weights if name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/bias")}
        )
        for side in ("encoder", "decoder")
    }
    ffn, d_model = floats("encoder/layer_0/ffn/linear_0/weight").shape
    heads = int(weights["encoder/num_heads"])
    network = MarianMTModel(_config(len(names), d_model, ffn, heads, layers["encoder"], layers["decoder"]))
    state = {"model.shared.weight": torch.cat([embeddings, torch.zeros(1, d_model)])}
    for side, count in layers.items():
        for i in range(count):
            ours, theirs = f"{side}/layer_{i}", f"model.{side}.layers.{i}"
            for block, (place, homes) in _BLOCKS.items():
                if block == "encoder_attn" and side == "encoder":
                    continue
                for what in ("weight", "bias"):
                    rows = [floats(f"{ours}/{place}/{home}/{what}") for home in homes]
                    for at, (part, home) in enumerate(zip(("q", "k", "v", "out"), homes, strict=True)):
                        first = homes.index(home)
                        start = (at - first) * d_model
                        state[f"{theirs}.{block}.{part}_proj.{what}"] = rows[at][start : start + d_model]
                state |= _norm(floats, f"{ours}/{place}/layer_norm", f"{theirs}.{block}_layer_norm")
            for at in (0, 1):
                for what in ("weight", "bias"):
                    state[f"{theirs}.fc{at + 1}.{what}"] = floats(f"{ours}/ffn/linear_{at}/{what}")
            state |= _norm(floats, f"{ours}/ffn/layer_norm", f"{theirs}.final_layer_norm")
    missing, unexpected = network.load_state_dict(state, strict=False)
    derived = ("embed_positions", "embed_tokens", "lm_head", "final_logits_bias")
    wrong = [*unexpected, *(name for name in missing if not any(part in name for part in derived))]
    if wrong:
        raise ValueError(f"the bundled model is not what is expected: {wrong}")
    _save(network, names, out)


def _norm(floats: Any, ours: str, theirs: str) -> dict[str, torch.Tensor]:
    return {f"{theirs}.weight": floats(f"{ours}/gamma"), f"{theirs}.bias": floats(f"{ours}/beta")}


def random_base(out: Path) -> None:
    """Write a randomly initialised model of the size of an OPUS-MT pair, with mini's vocabulary, to ``out``."""
    torch.manual_seed(1)
    names = [*json.loads((MINI / "shared_vocabulary.json").read_text("utf-8")), "<pad>"]
    network = MarianMTModel(_config(len(names), 512, 2048, 8, 6, 6))
    with torch.no_grad():
        network.model.shared.weight[-1] = 0
    _save(network, names, out)


def _config(vocabulary: int, d_model: int, ffn: int, heads: int, encoder: int, decoder: int) -> MarianConfig:
    return MarianConfig(
        vocab_size=vocabulary,
        d_model=d_model,
        encoder_layers=encoder,
        decoder_layers=decoder,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=ffn,
        decoder_ffn_dim=ffn,
        activation_function="swish",
        max_position_embeddings=256,
        scale_embedding=True,
        pad_token_id=vocabulary - 1,
        eos_token_id=0,
        decoder_start_token_id=vocabulary - 1,
        forced_eos_token_id=None,
    )


def _save(network: Any, names: list[str], out: Path) -> None:
    network.generation_config.bad_words_ids = [[len(names) - 1]]
    network.save_pretrained(out)
    for name in ("source.spm", "target.spm", "tokenizer_config.json"):
        shutil.copyfile(MINI / name, out / name)
    (out / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), "utf-8")
