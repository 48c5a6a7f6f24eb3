"""Conversion of encoders, for teachers: what comes out is what transformers computes."""

import json
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
import transformers
from tiny_encoders import save_encoder

from translate.convert import convert
from translate.models import ModelError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs", "on", "the", "beach", "."]
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


def bert(folder: Path) -> torch.nn.Module:
    """Save a tiny random BERT, as LaBSE is one."""
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    network = transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), **SIZES))
    network.save_pretrained(folder)
    return network.eval()


def xlm_roberta(folder: Path) -> torch.nn.Module:
    """Save a tiny random XLM-R."""
    vocabulary = [(word, -float(i)) for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS[5:], "<mask>"])]
    transformers.XLMRobertaTokenizer(vocab=vocabulary).save_pretrained(folder)
    config = transformers.XLMRobertaConfig(vocab_size=len(vocabulary), pad_token_id=1, **SIZES)
    network = transformers.XLMRobertaModel(config)
    network.save_pretrained(folder)
    return network.eval()


@pytest.mark.parametrize("make", [bert, xlm_roberta])
def test_an_encoder(make: object, tmp_path: Path) -> None:
    """The states and the pooled state of 50 random inputs agree to 1e-4."""
    torch.manual_seed(3)
    (tmp_path / "saved").mkdir()
    network = make(tmp_path / "saved")  # type: ignore[operator]
    convert(tmp_path / "saved", tmp_path / "converted", quantization="float32")
    encoder = ctranslate2.Encoder(str(tmp_path / "converted"), compute_type="float32", inter_threads=1)
    draw = np.random.default_rng(3)
    for length in draw.integers(1, 30, size=50):
        ids = draw.integers(2, 11, size=(1, length)).tolist()
        with torch.no_grad():
            wanted = network(torch.tensor(ids))
        found = encoder.forward_batch(ids)
        assert np.allclose(np.array(found.last_hidden_state), wanted.last_hidden_state.numpy(), atol=1e-4)
        assert np.allclose(np.array(found.pooler_output), wanted.pooler_output.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("family", "settings", "longest", "length"),
    [
        ("bert", {"max_seq_length": 20}, 48, 20),
        ("bert", {"max_seq_length": None, "do_lower_case": True}, 48, 40),
        ("bert", {"max_seq_length": 512}, 30, 30),
        ("bert", None, 1000000000000000019884624838656, 40),
        ("xlm-roberta", None, 48, 38),
        ("xlm-roberta", {"max_seq_length": 39}, 48, 38),
    ],
)
def test_how_long_a_text_may_be(
    family: str, settings: dict[str, object] | None, longest: int, length: int, tmp_path: Path
) -> None:
    """No file of CTranslate2's says it: it is the least of what is written and of the positions, XLM-R's less two."""
    saved = save_encoder(tmp_path / "saved", family).folder
    tokenizer = json.loads((saved / "tokenizer_config.json").read_text())
    (saved / "tokenizer_config.json").write_text(json.dumps({**tokenizer, "model_max_length": longest}))
    (saved / "sentence_bert_config.json").unlink()
    if settings is not None:
        (saved / "sentence_bert_config.json").write_text(json.dumps(settings))
    convert(saved, tmp_path / "converted")
    written = json.loads((tmp_path / "converted/sentence_bert_config.json").read_text())
    assert written == {**(settings or {}), "max_seq_length": length}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (None, "has no config.json of a Hugging Face model"),
        ("{", "has no config.json of a Hugging Face model"),
        ("[]", "has no config.json of a Hugging Face model"),
        ("{}", "holds a model of type 'None'; known are bert, m2m_100, marian, t5, xlm-roberta"),
        ('{"model_type": "marian"}', "cannot be converted: "),
    ],
)
def test_what_is_no_model(tmp_path: Path, config: str | None, problem: str) -> None:
    """A directory that cannot be converted is refused by name, and nothing is left."""
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=problem):
        convert(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
