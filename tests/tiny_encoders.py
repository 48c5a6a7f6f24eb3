"""Tiny random sentence encoders, as sentence-transformers saves them."""

import json
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from safetensors.torch import save_file

from translate.models import MINI

TOKENS = 38
"""Tokens that a tiny encoder takes, those around a text included."""

_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
_POOLING = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
}
_WORDS = ["a", "the", "dog", "dogs", "man", "runs", "on", "in", "beach", "red", "two", "play"]


@dataclass(frozen=True)
class TinyEncoder:
    """What was saved, to compute by hand what comes out of it."""

    folder: Path
    tokenizer: Any
    network: Any
    dense: torch.nn.Linear | None


def save_encoder(
    folder: Path, family: str, *, pooling: str = "mean", dense: str | None = None, seed: int = 3, card: str = ""
) -> TinyEncoder:
    """Save an encoder of ``family``, ``bert`` or ``xlm-roberta``, to ``folder``, which is made.

    ``dense`` adds a layer with tanh from 32 to 24 dimensions behind the pooling, stored as ``safetensors`` or as
    ``pickle``; ``card`` is the YAML head of its model card.
    """
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    tokenizer, network = FAMILIES[family](folder)
    for parameter in network.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.5)  # else all texts have nearly the same embedding
    network.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    kinds = ["Transformer", "Pooling", *(["Dense"] if dense else []), "Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    _write(folder / "modules.json", modules)
    chosen = {entry: mode == pooling for mode, entry in _POOLING.items()}
    _write(folder / "1_Pooling/config.json", {"word_embedding_dimension": 32, **chosen})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": TOKENS, "do_lower_case": False})
    if card:
        (folder / "README.md").write_text(f"---\n{card}\n---\n# An encoder\n")
    return TinyEncoder(folder, tokenizer, network, _dense(folder / "2_Dense", dense) if dense else None)


def _dense(folder: Path, stored: str) -> torch.nn.Linear:
    layer = torch.nn.Linear(32, 24)
    activation = "torch.nn.modules.activation.Tanh"
    _write(
        folder / "config.json",
        {"in_features": 32, "out_features": 24, "bias": True, "activation_function": activation},
    )
    weights = {"linear.weight": layer.weight.detach(), "linear.bias": layer.bias.detach()}
    if stored == "pickle":
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors")
    return layer


def _bert(folder: Path) -> tuple[Any, Any]:
    signs = list(string.ascii_lowercase + string.digits + string.punctuation)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{sign}" for sign in signs), *_WORDS]
    names = list(dict.fromkeys(names))
    (folder / "vocab.txt").write_text("\n".join(names))
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=TOKENS + 10)
    config = transformers.BertConfig(vocab_size=len(names), max_position_embeddings=TOKENS + 2, **_SIZES)
    return tokenizer, transformers.BertModel(config)


def _xlm_roberta(_folder: Path) -> tuple[Any, Any]:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(MINI / "source.spm"))
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(2, processor.get_piece_size())]
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary = [*special, *pieces, ("<mask>", 0.0)]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=vocabulary, model_max_length=TOKENS + 10)
    config = transformers.XLMRobertaConfig(
        vocab_size=len(vocabulary) + 3,  # rows that no token has
        max_position_embeddings=TOKENS + 2,
        pad_token_id=1,
        **_SIZES,
    )
    return tokenizer, transformers.XLMRobertaModel(config)


FAMILIES: dict[str, Callable[[Path], tuple[Any, Any]]] = {"bert": _bert, "xlm-roberta": _xlm_roberta}


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
