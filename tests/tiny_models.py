"""Tiny random models of every family, as transformers saves them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M_CODES
from transformers.tokenization_utils_sentencepiece import SentencePieceExtractor

from translate.families import Family
from translate.models import MINI

POSITIONS = 64
"""Pieces that a tiny model's tokenizer says it takes."""


def save_tiny(family: Family, folder: Path) -> tuple[Any, Any]:
    """Save a tiny random model of ``family`` in ``folder`` and return its tokenizer and its network."""
    made = folder.parent / f"{folder.name}-made"
    made.mkdir()
    torch.manual_seed(7)
    tokenizer, network = MAKERS[family](made)
    for name, parameter in network.named_parameters():
        if parameter.dim() == 2 and "positions" not in name:  # far from uniform: no two tokens are equally good
            torch.nn.init.normal_(parameter, std=0.7 if "shared" in name or "lm_head" in name else 0.5)
    with torch.no_grad():
        if family is Family.MARIAN:
            network.model.shared.weight[network.config.pad_token_id] = 0  # as in every OPUS-MT model
        if family is Family.T5:
            # Of its own, as MADLAD-400's; and 0 in the rows that no token has, which no training chooses.
            network.lm_head.weight = torch.nn.Parameter(torch.randn(len(tokenizer) + 5, 32) * 0.7)
            network.lm_head.weight[len(tokenizer) :] = 0
    network.eval()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer, network


def pieces() -> list[str]:
    """Return the pieces of the bundled model's vocabulary that are no special tokens."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(MINI / "source.spm"))
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())][2:]


def marian(folder: Path) -> tuple[Any, Any]:
    """Make OPUS-MT's layout: two SentencePiece models, a vocabulary, the padding last."""
    for name in ("source.spm", "target.spm"):
        shutil.copyfile(MINI / name, folder / name)
    names = ["</s>", "<unk>", *pieces(), ">>deu<<", ">>cmn_Hans<<", "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    tokenizer = transformers.MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"), model_max_length=POSITIONS
    )
    config = transformers.MarianConfig(
        vocab_size=len(names),
        pad_token_id=len(names) - 1,
        eos_token_id=0,
        decoder_start_token_id=len(names) - 1,
        forced_eos_token_id=None,
        scale_embedding=True,
        **_bart(),
    )
    return tokenizer, transformers.MarianMTModel(config)


def m2m_100(folder: Path) -> tuple[Any, Any]:
    """Make Facebook's layout: one SentencePiece model and a vocabulary, the languages behind it."""
    shutil.copyfile(MINI / "source.spm", folder / "sentencepiece.bpe.model")
    names = ["<s>", "<pad>", "</s>", "<unk>", *pieces()]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    tokenizer = transformers.M2M100Tokenizer(
        str(folder / "vocab.json"), str(folder / "sentencepiece.bpe.model"), model_max_length=POSITIONS
    )
    size = len(names) + len(M2M_CODES["m2m100"]) + 8
    return tokenizer, transformers.M2M100ForConditionalGeneration(_m2m_config(size))


def nllb(folder: Path) -> tuple[Any, Any]:
    """Make the layout that transformers 5 writes: ``tokenizer.json`` alone."""
    captions = (MINI.parents[1] / "tools/captions.tsv").read_text("utf-8").splitlines()[:1500]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text for line in captions for text in line.split("\t")),
        model_prefix=str(folder / "bpe"),
        model_type="bpe",
        vocab_size=4000,
        character_coverage=0.999,
        minloglevel=2,
    )
    names, _, merges = SentencePieceExtractor(str(folder / "bpe.model")).extract()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    names = {name: i for i, name in enumerate([*special, *(name for name in names if name not in special)])}
    tokenizer = transformers.NllbTokenizer(vocab=names, merges=merges, model_max_length=POSITIONS)
    return tokenizer, transformers.M2M100ForConditionalGeneration(_m2m_config(len(tokenizer)))


def t5(folder: Path) -> tuple[Any, Any]:
    """Make MADLAD-400's layout: the language tokens are pieces like others."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(MINI / "source.spm"))
    scored = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(2, processor.get_piece_size())]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("<2de>", 0.0), ("<2zh>", 0.0), ("<2en>", 0.0)]
    tokenizer = transformers.T5Tokenizer(vocab=[*special, *scored], extra_ids=0, model_max_length=POSITIONS)
    config = transformers.T5Config(
        vocab_size=len(tokenizer) + 5,  # rows that no token has
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return tokenizer, transformers.T5ForConditionalGeneration(config)


def _bart() -> dict[str, Any]:
    return {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "activation_function": "swish",
        "max_position_embeddings": 128,
    }


def _m2m_config(size: int) -> Any:
    return transformers.M2M100Config(
        **{**_bart(), "activation_function": "relu"},
        vocab_size=size,
        scale_embedding=True,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
    )


MAKERS: dict[Family, Callable[[Path], tuple[Any, Any]]] = {
    Family.MARIAN: marian,
    Family.M2M_100: m2m_100,
    Family.NLLB: nllb,
    Family.T5: t5,
}
