"""The training loop: bfloat16 on the processor, weights and optimiser in float32, resumable at any instant."""

import logging
import random
import signal
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from training.batches import Batch, Pieces, batched, epoch
from training.corpus import Pairs
from training.network import Network, SmoothedLoss
from training.recipe import Recipe

_log = logging.getLogger(__name__)

_SAVE_EVERY = 250


class Trainer:
    """A network in training."""

    def __init__(self, recipe: Recipe, pieces: Pieces, out: Path, device: str) -> None:
        """Start anew, or where ``out`` holds a checkpoint of this recipe, from there."""
        self.recipe, self.pieces, self.out, self.device = recipe, pieces, out, device
        torch.manual_seed(recipe.seed)
        self.network = Network(recipe.network, len(pieces.names)).to(device)
        self.names = [name for name, _ in self.network.named_parameters()]
        self.weights = [p.detach().clone().float() for p in self.network.parameters()]
        self.average = [weight.clone() for weight in self.weights]
        self._embedding = self.weights[self.names.index("shared.weight")]
        self.network.to(torch.bfloat16)
        self.live = list(self.network.parameters())
        self.network.encoder.compile(dynamic=True)
        self.network.decoder.compile(dynamic=True)
        matrices = [w for n, w in zip(self.names, self.weights, strict=True) if w.dim() == 2 and "shared" not in n]
        others = [w for n, w in zip(self.names, self.weights, strict=True) if w.dim() != 2 or "shared" in n]
        rate = recipe.training.learning_rate
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.0),
        ]
        self.step, self.epoch, self.at = 0, 0, 0
        if self._checkpoint.exists():
            self._load()

    def run(self, pairs: list[Pairs], validation: list[Pairs], until: int) -> None:
        """Train to step ``until``; a checkpoint is left at the end and on an interrupt."""
        training = self.recipe.training
        bar = tqdm(total=sum(training.rounds), initial=self.step, unit="step", mininterval=10, smoothing=0.02)
        held = [(p, self._validation_batches(p)) for p in validation]
        recent = 0.0
        with _Interrupt() as interrupt:
            while self.step < until:
                seed = f"{self.recipe.seed}-{self.epoch}"
                batches = epoch(pairs, self.pieces, training, seed, self.recipe.network.positions)
                for batch in batches[self.at :]:
                    loss = self._learn(batch)
                    recent = loss if not recent else recent * 0.99 + loss * 0.01
                    self.step, self.at = self.step + 1, self.at + 1
                    bar.update()
                    bar.set_postfix(epoch=self.epoch, loss=f"{recent:.3f}", refresh=False)
                    if self.step % training.validate_every == 0:
                        self._validate(held, recent)
                    if interrupt.came or self.step == until:
                        break
                    if self.step % _SAVE_EVERY == 0:
                        self._save()
                else:
                    self.epoch, self.at = self.epoch + 1, 0
                if interrupt.came:
                    self._save()
                    raise KeyboardInterrupt
        self._save()
        bar.close()

    def averaged(self) -> dict[str, Tensor]:
        """Return the averaged weights by their names."""
        return dict(zip(self.names, self.average, strict=True))

    def _rate(self) -> float:
        training = self.recipe.training
        step = self.step
        for length in training.rounds[:-1]:
            if step < length:
                break
            step -= length
        else:
            length = training.rounds[-1]
        return min(1.0, (step + 1) / training.warmup, (length - step) / (training.decay * length))

    def _learn(self, batch: Batch) -> float:
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        loss = self._loss(batch, self.recipe.training.smoothing)
        loss.backward()
        for weight, live in zip(self.weights, self.live, strict=True):
            weight.grad = live.grad.float() if live.grad is not None else None
            live.grad = None
        self._embedding.grad[self.network.pad] = 0  # type: ignore[index]
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.recipe.training.learning_rate * self._rate()
            optimiser.step()
        with torch.no_grad():
            torch._foreach_copy_(self.live, self.weights)
            kept = min(self.recipe.training.average, (self.step + 1) / (self.step + 10))
            torch._foreach_lerp_(self.average, self.weights, 1 - kept)
        return loss.item()

    def _loss(self, batch: Batch, smoothing: float) -> Tensor:
        source, inputs, labels = (
            torch.from_numpy(ids).to(self.device) for ids in (batch.sources, batch.inputs, batch.labels)
        )
        real = labels != self.network.pad
        states = self.network(source, inputs)[real]
        loss: Tensor = SmoothedLoss.apply(states, self.network.output(), labels[real], smoothing)
        return loss

    def _validation_batches(self, pairs: Pairs) -> dict[str, list[Batch]]:
        sources, targets = pairs.first()
        found = {}
        for texts, others, name, language in (
            (sources, targets, f"{pairs.source}-{pairs.target}", pairs.target),
            (targets, sources, f"{pairs.target}-{pairs.source}", pairs.source),
        ):
            rows = [
                ([self.pieces.token[language], *source, 0], [*target, 0])
                for source, target in zip(
                    self.pieces.encode(texts[:400]), self.pieces.encode(others[:400]), strict=True
                )
                if max(len(source) + 2, len(target) + 1) <= self.recipe.network.positions
            ]
            tokens = self.recipe.training.batch_tokens
            found[name] = list(batched(rows, self.pieces.pad, tokens, random.Random(0)))
        return found

    @torch.no_grad()
    def _validate(self, held: list[tuple[Pairs, dict[str, list[Batch]]]], recent: float) -> None:
        self.network.eval()
        torch._foreach_copy_(self.live, self.average)
        losses = {}
        for _, directions in held:
            for name, batches in directions.items():
                counts = [int((batch.labels != self.network.pad).sum()) for batch in batches]
                total = sum(self._loss(batch, 0.0).item() * n for batch, n in zip(batches, counts, strict=True))
                losses[name] = total / sum(counts)
        torch._foreach_copy_(self.live, self.weights)
        self.network.train()
        found = "  ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
        at = f"step {self.step}, epoch {self.epoch}"
        _log.info("%s: training %.3f; validation (nats a token) %s", at, recent, found)

    @property
    def _checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    def _save(self) -> None:
        state: dict[str, Any] = {
            "step": self.step,
            "epoch": self.epoch,
            "at": self.at,
            "weights": self.weights,
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }
        part = self._checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._checkpoint)

    def _load(self) -> None:
        state = torch.load(self._checkpoint, weights_only=True, map_location=self.device)
        self.step, self.epoch, self.at = state["step"], state["epoch"], state["at"]
        with torch.no_grad():
            torch._foreach_copy_(self.weights, state["weights"])
            torch._foreach_copy_(self.average, state["average"])
            torch._foreach_copy_(self.live, self.weights)
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)


class _Interrupt:
    """Notes SIGINT and SIGTERM, so that the step at hand ends and the checkpoint is written."""

    def __init__(self) -> None:
        self.came = False

    def __enter__(self) -> "_Interrupt":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self.came = True
