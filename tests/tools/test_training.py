"""Training a small model: what is read, what is never trained on, what is exported, and going on after an interrupt."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from transformers import MarianMTModel, MarianTokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from training.batches import Pieces, batched, epoch
from training.corpus import Pairs, joined, letters, read_corpus, roughen, tidy
from training.export import export
from training.network import Network, SmoothedLoss, dropout
from training.recipe import Recipe
from training.trainer import Trainer
from training.vocabulary import broken, train_pieces
from translate.convert import convert
from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import parse_language

TOOL = Path(__file__).parents[2] / "tools" / "train_mini.py"

COLOURS = {"red": "roter", "black": "schwarzer", "white": "weißer", "brown": "brauner", "grey": "grauer"}
ANIMALS = {"dog": "Hund", "bird": "Vogel", "fish": "Fisch", "bear": "Bär", "horse": "Hengst"}
DEEDS = {"runs": "rennt", "sleeps": "schläft", "eats": "frisst", "jumps": "springt"}
TOY = [
    (f"A {colour} {animal} {deed}.", f"Ein {COLOURS[colour]} {ANIMALS[animal]} {DEEDS[deed]}.")
    for colour, animal, deed in product(COLOURS, ANIMALS, DEEDS)
]


def write_toy(folder: Path) -> dict[str, object]:
    """Write the toy corpus, every tenth line of it for validation, and return its recipe."""
    for name, rows in (("val", TOY[::10]), ("train", TOY)):
        (folder / f"{name}.en").write_text("".join(f"{english}\n" for english, _ in rows), "utf-8")
        with gzip.open(folder / f"{name}.de.gz", "wt", encoding="utf-8") as lines:
            lines.writelines(f"{german}\n" for _, german in rows)
    (folder / "own.txt").write_text("A grey bird runs.\nA white horse.\n", "utf-8")

    def part(name: str) -> dict[str, object]:
        return {
            "source": "en",
            "target": "de",
            "sources": {"file": f"{name}.en"},
            "targets": [{"file": f"{name}.de.gz"}],
        }

    return {
        "languages": {"en": ">>eng<<", "de": ">>deu<<"},
        "parallel": [part("train")],
        "monolingual": [{"language": "en", "text": {"file": "own.txt"}, "targets": ["de"]}],
        "validation": [part("val")],
        "test": {"toy.de": part("val")},
        "network": {
            "vocabulary": 60,
            "d_model": 32,
            "ffn": 64,
            "heads": 2,
            "encoder_layers": 2,
            "decoder_layers": 1,
            "positions": 128,
            "dropout": 0.0,
        },
        "training": {
            "rounds": [500, 200],
            "batch_tokens": 400,
            "learning_rate": 0.01,
            "warmup": 20,
            "decay": 0.4,
            "average": 0.95,
            "sampled": 0.2,
            "validate_every": 100,
        },
    }


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe]:
    """Return the folder of the toy corpus, which also holds its SentencePiece model, and its recipe."""
    folder = tmp_path_factory.mktemp("toy")
    recipe = Recipe.model_validate(write_toy(folder))
    train_pieces(folder, recipe, read_corpus(folder, recipe), folder / "pieces.model")
    return folder, recipe


@pytest.fixture(autouse=True, scope="module")
def uncompiled() -> Iterator[None]:
    """Run PyTorch as it is: compiling takes longer than all of these tests."""
    with torch.compiler.set_stance("force_eager"):
        yield


def run_tool(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the tool on the toy corpus."""
    return subprocess.Popen(
        [sys.executable, str(TOOL), "--data", str(folder), "--recipe", str(folder / "toy.yaml"), *arguments],
        env={**os.environ, "TORCH_COMPILE_DISABLE": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_one_command_trains_a_model_that_the_engine_runs(tmp_path: Path) -> None:
    """Trained on a toy corpus, the exported int8 model translates sentences it never saw, word by word, both ways."""
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(write_toy(tmp_path)))
    run = run_tool(tmp_path, "--out", str(tmp_path / "out"))
    printed, errors = run.communicate()
    assert run.returncode == 0, errors
    assert printed == (tmp_path / "out/scores.md").read_text()
    assert "| toy.de | en-de | 10 | " in printed
    assert "| toy.de | de-en | 10 | " in printed
    engine = Engine(resolve(str(tmp_path / "out/model/ctranslate2")), decoding=Decoding(), device=Device(device="cpu"))
    unseen = TOY[::10]
    german = engine.translate([english for english, _ in unseen], parse_language("en"), parse_language("de")).targets
    english = engine.translate([german for _, german in unseen], parse_language("de"), parse_language("en")).targets
    made = [one.split() for one in [*german, *english]]
    expected = [pair[side].split() for side in (1, 0) for pair in unseen]
    right = [one == other for pair in zip(made, expected, strict=True) for one, other in zip(*pair, strict=False)]
    # Of these 80 words chance would have 33. How many more so small a network learns in so few steps depends on the
    # order in which a machine adds: 11 to 20 whole sentences of 20 were seen.
    assert sum(right) >= 56


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """SIGTERM ends the run with status 130 and a checkpoint; the same command goes on from its step."""
    recipe = write_toy(tmp_path)
    recipe["training"] |= {"rounds": [100_000]}  # type: ignore[operator]
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(recipe))
    run = run_tool(tmp_path, "--out", str(tmp_path / "out"))
    assert run.stderr is not None
    for line in run.stderr:
        if "step 100," in line:
            run.send_signal(signal.SIGTERM)
            break
    _, errors = run.communicate()
    assert run.returncode == 130
    assert "interrupted; the same command goes on from here\n" in errors
    step = torch.load(tmp_path / "out/checkpoint.pt", weights_only=True)["step"]
    assert step >= 100
    recipe["training"] |= {"rounds": [step + 1]}  # type: ignore[operator]
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(recipe))
    again = run_tool(tmp_path, "--out", str(tmp_path / "out"))
    again.communicate()
    assert again.returncode == 0
    assert torch.load(tmp_path / "out/checkpoint.pt", weights_only=True)["step"] == step + 1


def test_going_on_changes_nothing(toy: tuple[Path, Recipe], tmp_path: Path) -> None:
    """A run in two parts ends with the weights of one in one part, bit for bit."""
    folder, recipe = toy
    pieces = Pieces(folder / "pieces.model", recipe.languages)
    corpus = read_corpus(folder, recipe)
    for part in ("whole", "parts"):
        (tmp_path / part).mkdir()
    whole = Trainer(recipe, pieces, tmp_path / "whole", "cpu")
    whole.run(corpus.training, [], until=25)
    Trainer(recipe, pieces, tmp_path / "parts", "cpu").run(corpus.training, [], until=12)
    parts = Trainer(recipe, pieces, tmp_path / "parts", "cpu")
    assert parts.step == 12
    parts.run(corpus.training, [], until=25)
    for one, other in zip(whole.averaged().values(), parts.averaged().values(), strict=True):
        assert torch.equal(one, other)


def test_the_export_is_the_network(toy: tuple[Path, Recipe], tmp_path: Path) -> None:
    """What was trained, transformers' Marian and CTranslate2's conversion say the same of the same ids."""
    folder, recipe = toy
    pieces = Pieces(folder / "pieces.model", recipe.languages)
    trainer = Trainer(recipe, pieces, tmp_path, "cpu")
    trainer.run(read_corpus(folder, recipe).training, [], until=120)
    export(trainer.averaged(), recipe, pieces, folder / "pieces.model", tmp_path / "model")
    marian = MarianMTModel.from_pretrained(tmp_path / "model/hugging-face").eval()
    network = Network(recipe.network, len(pieces.names)).eval()
    network.load_state_dict(trainer.averaged(), strict=False)

    sources = [[pieces.token["de"], *ids, 0] for ids in pieces.encode([english for english, _ in TOY[:40]])]
    source = torch.full((40, max(map(len, sources))), pieces.pad)
    for row, ids in zip(source, sources, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    target = torch.tensor([[pieces.pad, 5, 6, 7]] * 40)
    with torch.no_grad():
        states = network(source, target)
        theirs = marian.model(source, (source != pieces.pad).long(), target).last_hidden_state
    assert torch.allclose(states, theirs, atol=1e-4)

    convert(tmp_path / "model/hugging-face", tmp_path / "float32", quantization="float32")
    translator = ctranslate2.Translator(str(tmp_path / "float32"), compute_type="float32")
    names = [[pieces.names[i] for i in ids] for ids in sources]
    ours = [result.hypotheses[0] for result in translator.translate_batch(names, beam_size=1, max_decoding_length=30)]
    generated = marian.generate(
        source, attention_mask=(source != pieces.pad).long(), num_beams=1, max_new_tokens=30, do_sample=False
    )
    for hypothesis, ids in zip(ours, generated.tolist(), strict=True):
        assert hypothesis == [pieces.names[i] for i in ids if i not in (0, pieces.pad)]


def test_the_exported_tokenizer_is_transformers_own(toy: tuple[Path, Recipe], tmp_path: Path) -> None:
    """Hugging Face's MarianTokenizer reads the exported files and gives the ids that were trained on."""
    folder, recipe = toy
    pieces = Pieces(folder / "pieces.model", recipe.languages)
    trainer = Trainer(recipe, pieces, tmp_path, "cpu")
    export(trainer.averaged(), recipe, pieces, folder / "pieces.model", tmp_path / "model")
    tokenizer = MarianTokenizer.from_pretrained(tmp_path / "model/hugging-face")
    (ids,) = pieces.encode(["A red dog runs."])
    assert tokenizer(">>deu<< A red dog runs.")["input_ids"] == [pieces.token["de"], *ids, 0]


def test_the_padding_stays_zero(toy: tuple[Path, Recipe], tmp_path: Path) -> None:
    """The last vocabulary entry is the padding, and training does not move its embedding."""
    folder, recipe = toy
    pieces = Pieces(folder / "pieces.model", recipe.languages)
    trainer = Trainer(recipe, pieces, tmp_path, "cpu")
    trainer.run(read_corpus(folder, recipe).training, [], until=10)
    assert pieces.names[-1] == "<pad>"
    assert not trainer.averaged()["shared.weight"][-1].any()
    assert trainer.averaged()["shared.weight"][:-1].any(dim=1).all()


def test_no_line_that_is_judged_on_is_trained_on(toy: tuple[Path, Recipe]) -> None:
    """Pairs with a side of a validation or test line are dropped, whatever their case and punctuation."""
    folder, recipe = toy
    corpus = read_corpus(folder, recipe)
    (training,) = corpus.training
    assert len(training.sources) == 90
    assert not set(training.sources) & {english for english, _ in TOY[::10]}
    assert corpus.free("en", ["a RED dog, runs", "A red dog walks.", ""]) == ["A red dog walks."]
    assert corpus.free("fr", ["A red dog runs."]) == ["A red dog runs."]


def test_several_translations_and_held_out_lines(tmp_path: Path) -> None:
    """Columns of a TSV file are texts; the last lines may be held out, and their other copies are dropped."""
    rows = [
        "1\tA dog.\t狗。\t一只狗。",
        "2\tA cat.\t猫。\t一只猫。",
        "3\tA bird.\t鸟。\t一只鸟。",
        "4\tA  cat !\t猫\t猫",
    ]
    (tmp_path / "pairs.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    texts = [{"file": "pairs.tsv", "column": column} for column in (1, 2, 3)]
    recipe = Recipe.model_validate(
        {
            "languages": {"en": ">>eng<<", "zh": ">>cmn_Hans<<"},
            "parallel": [{"source": "en", "target": "zh", "sources": texts[0], "targets": texts[1:], "hold_out": 1}],
        }
    )
    corpus = read_corpus(tmp_path, recipe)
    assert corpus.training[0].sources == ["A dog.", "A bird."]
    assert corpus.training[0].targets == [("狗。", "一只狗。"), ("鸟。", "一只鸟。")]
    assert corpus.validation[0].first() == (["A  cat !"], ["猫"])


def test_files_that_are_not_aligned(tmp_path: Path) -> None:
    """Two files of different length are refused with both lengths."""
    recipe = write_toy(tmp_path)
    (tmp_path / "train.en").write_text("A dog.\n")
    with pytest.raises(ValueError, match=r"^train\.en has 1 lines, train\.de\.gz has 100$"):
        read_corpus(tmp_path, Recipe.model_validate(recipe))


def test_captions_of_coco(tmp_path: Path) -> None:
    """COCO's JSON is a text of its captions."""
    recipe = write_toy(tmp_path)
    with gzip.open(tmp_path / "captions.json.gz", "wt") as file:
        json.dump({"annotations": [{"caption": "A dog. "}, {"caption": "A cat."}]}, file)
    recipe["parallel"] = [
        {"source": "en", "target": "de", "sources": {"file": "captions.json.gz"}, "targets": [{"file": "two.txt"}]}
    ]
    (tmp_path / "two.txt").write_text("Ein Hund.\nEine Katze.\n")
    (pairs,) = read_corpus(tmp_path, Recipe.model_validate(recipe)).training
    assert pairs.sources == ["A dog.", "A cat."]


def test_an_epoch_has_every_pair_both_ways(toy: tuple[Path, Recipe]) -> None:
    """Ninety pairs, both directions: 180 rows, each with its language token and its end; alike for one seed."""
    folder, recipe = toy
    pieces = Pieces(folder / "pieces.model", recipe.languages)
    corpus = read_corpus(folder, recipe)
    batches = epoch(corpus.training, pieces, recipe.training, "seed", 128)
    assert sum(len(batch.labels) for batch in batches) == 180
    tokens = [int(row[0]) for batch in batches for row in batch.sources]
    assert (tokens.count(pieces.token["de"]), tokens.count(pieces.token["en"])) == (90, 90)
    for batch in batches:
        assert batch.sources.size <= 400
        assert (batch.inputs[:, 0] == pieces.pad).all()
        assert ((batch.labels == 0).sum(axis=1) == 1).all()
        assert (batch.inputs[:, 1:] == np.where(batch.labels[:, :-1] == 0, pieces.pad, batch.labels[:, :-1]))[
            batch.labels[:, 1:] != pieces.pad
        ].all()
    again = epoch(corpus.training, pieces, recipe.training, "seed", 128)
    assert all(np.array_equal(a.sources, b.sources) for a, b in zip(batches, again, strict=True))
    other = epoch(corpus.training, pieces, recipe.training, "another", 128)
    assert not all(np.array_equal(a.sources, b.sources) for a, b in zip(batches, other, strict=False))


ROWS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 50), min_size=1, max_size=30), st.lists(st.integers(0, 50), min_size=1, max_size=30)
    ),
    min_size=1,
    max_size=60,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_batches_lose_nothing(rows: Sequence[tuple[list[int], list[int]]], draw: object) -> None:
    """Whatever the lengths, each row comes in one batch, and no batch is larger than its limit."""
    batches = list(batched(rows, 99, 64, draw))  # type: ignore[arg-type]
    found = [
        ([i for i in source if i != 99], [i for i in label if i != 99])
        for batch in batches
        for source, label in zip(batch.sources.tolist(), batch.labels.tolist(), strict=True)
    ]
    assert sorted(found) == sorted(rows)
    assert all(max(batch.sources.size, batch.labels.size) <= 64 or len(batch.labels) == 1 for batch in batches)


@given(st.text(max_size=60), st.text(max_size=60), st.randoms(use_true_random=False))
def test_rough_pairs_say_the_same(source: str, target: str, draw: object) -> None:
    """Noise changes case, spaces and signs, never the letters; a strange sign in the source may be one itself."""
    rough_source, rough_target = roughen(source, target, draw)  # type: ignore[arg-type]
    known, rough = letters(source.upper().lower()), letters(rough_source.upper().lower())
    places = range(len(known) + 1)
    assert rough in {known, *(known[:i] + sign + known[i:] for i in places for sign in "жωاก")}
    assert letters(rough_target) == letters(target)


def test_tidy_text() -> None:
    """Tokenised captions become plain ones."""
    assert tidy("Two  dogs , one black , run .") == "Two dogs, one black, run."


def test_a_pair_that_is_too_long_is_left_out(toy: tuple[Path, Recipe]) -> None:
    """The network has so many positions, and a longer line of the corpus does not stop the training."""
    folder, recipe = toy
    pieces = Pieces(folder / "pieces.model", recipe.languages)
    pairs = Pairs("en", "de", ["A red dog runs.", "A red dog runs. " * 60], [("Ein Hund.",), ("Ein Hund.",)])
    batches = epoch([pairs], pieces, recipe.training, "seed", 40)
    assert sum(len(batch.sources) for batch in batches) == 2
    assert max(batch.sources.shape[1] for batch in batches) <= 40


def test_joined_pairs() -> None:
    """Two pairs become one: with a space between, but in Chinese."""
    assert joined(("A dog.", "狗。"), ("A cat.", "猫。")) == ("A dog. A cat.", "狗。猫。")


def test_dropout_zeroes_a_share_and_keeps_the_mean() -> None:
    """A quarter of a million ones: a share of the rate is zero, the rest is scaled to the same sum."""
    torch.manual_seed(1)
    dropped = dropout(torch.ones(1000, 251), 0.25)
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert float(dropped.max()) == pytest.approx(4 / 3)
    assert dropout(torch.ones(3), 0.0).tolist() == [1, 1, 1]


@pytest.mark.parametrize("rows", [1, 700])
def test_the_loss_is_pytorchs(rows: int) -> None:
    """Value and gradients are those of PyTorch's cross-entropy with label smoothing."""
    torch.manual_seed(1)
    states, matrix = torch.randn(rows, 16, requires_grad=True), torch.randn(51, 16, requires_grad=True)
    labels = torch.randint(0, 50, (rows,))
    expected = torch.nn.functional.cross_entropy(states @ matrix[:-1].T, labels, label_smoothing=0.1)
    wanted = torch.autograd.grad(expected, (states, matrix))
    loss = SmoothedLoss.apply(states, matrix[:-1], labels, 0.1)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    for one, other in zip(torch.autograd.grad(loss, (states, matrix)), wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("pieces", "falls"),
    [
        (["▁giraffe"], False),
        (["▁giraffe", "s"], False),
        (["▁", "z", "e"], True),
        (["▁", "<unk>"], True),
        (["▁sa", "u", "er"], False),
        (["▁a"], False),
    ],
)
def test_broken_words(pieces: list[str], falls: bool) -> None:
    """A word is broken where nothing longer than a character is left of it."""
    assert broken(pieces) is falls
