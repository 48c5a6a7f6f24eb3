"""Averaged weights to a model that others can load: Hugging Face's layout, and CTranslate2's."""

import json
import shutil
from pathlib import Path

import torch
from torch import Tensor
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from training.batches import END, Pieces
from training.recipe import Recipe
from translate.convert import convert


def export_hugging_face(weights: dict[str, Tensor], recipe: Recipe, pieces: Pieces, model: Path, out: Path) -> None:
    """Write ``weights`` as a Hugging Face Marian directory; ``model`` is the SentencePiece file."""
    network = recipe.network
    config = MarianConfig(
        vocab_size=len(pieces.names),
        d_model=network.d_model,
        encoder_layers=network.encoder_layers,
        decoder_layers=network.decoder_layers,
        encoder_attention_heads=network.heads,
        decoder_attention_heads=network.heads,
        encoder_ffn_dim=network.ffn,
        decoder_ffn_dim=network.ffn,
        activation_function="swish",
        dropout=network.dropout,
        max_position_embeddings=network.positions,
        scale_embedding=True,
        static_position_embeddings=True,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=pieces.pad,
        eos_token_id=END,
        bos_token_id=END,
        decoder_start_token_id=pieces.pad,
        forced_eos_token_id=None,
    )
    marian = MarianMTModel(config)
    missing, unexpected = marian.load_state_dict(
        {f"model.{name}": weight.float() for name, weight in weights.items()}, strict=False
    )
    # Positions are computed; the tied matrices and the output's bias of zeros are not trained.
    derived = ("embed_positions", "embed_tokens", "lm_head", "final_logits_bias")
    if wrong := [*unexpected, *(name for name in missing if not any(part in name for part in derived))]:
        raise ValueError(f"these weights do not fit Marian's: {wrong}")
    marian.generation_config = GenerationConfig(
        decoder_start_token_id=pieces.pad,
        eos_token_id=END,
        pad_token_id=pieces.pad,
        bad_words_ids=[[pieces.pad]],
        max_length=network.positions,
        num_beams=4,
    )
    marian.save_pretrained(out)
    for name in ("source.spm", "target.spm"):
        shutil.copyfile(model, out / name)
    vocabulary = {name: i for i, name in enumerate(pieces.names)}
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False, indent=0), "utf-8")
    settings = {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": "mul",
        "target_lang": "mul",
        "model_max_length": network.positions,
        "separate_vocabs": False,
        "directions": _directions(recipe),
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")


def _directions(recipe: Recipe) -> list[list[str]]:
    """Return what is trained, by the names in the target tokens: captionloom refuses anything else."""
    names = {language: token.strip("<>") for language, token in recipe.languages.items()}
    pairs = {(part.source, part.target) for part in recipe.parallel}
    pairs |= {(part.target, part.source) for part in recipe.parallel if part.back_weight}
    return sorted([names[one], names[other]] for one, other in pairs)


def export(weights: dict[str, Tensor], recipe: Recipe, pieces: Pieces, model: Path, out: Path) -> Path:
    """Write both layouts below ``out`` and return the CTranslate2 directory."""
    with torch.no_grad():
        export_hugging_face(weights, recipe, pieces, model, out / "hugging-face")
    shutil.rmtree(out / "ctranslate2", ignore_errors=True)  # of an interrupted run
    convert(out / "hugging-face", out / "ctranslate2", quantization="int8")
    return out / "ctranslate2"
