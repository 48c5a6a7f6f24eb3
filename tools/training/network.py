"""The Transformer that is trained: Marian's, by the names of Hugging Face's ``MarianMTModel``."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.recipe import Shape


def dropout(states: Tensor, rate: float) -> Tensor:
    """Zero a share ``rate`` (in steps of 1/256) of ``states`` and scale the rest.

    One random byte for each element, eight to a draw: PyTorch's own draws one number for each
    element on one thread, which on a CPU costs as much as half of the matrix products.
    """
    zeroed = round(rate * 256)
    if not zeroed:
        return states
    size = states.numel()
    draws = torch.empty((size + 7) // 8, dtype=torch.int64, device=states.device).random_(-(1 << 63), None)
    kept = (draws.view(torch.uint8)[:size] >= zeroed).view(states.shape)
    return states * (kept.to(states.dtype) * (256 / (256 - zeroed)))


class Attention(nn.Module):
    """Multi-head attention."""

    def __init__(self, shape: Shape) -> None:
        """Make the four projections of ``shape``."""
        super().__init__()
        self.heads = shape.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(shape.d_model, shape.d_model) for _ in range(4)
        )

    def forward(self, states: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Attend from ``states`` (batch, time, d) to ``memory``; ``mask`` is added to the scores."""
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection, x in ((self.q_proj, states), (self.k_proj, memory), (self.v_proj, memory))
        )
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3) + mask
        return self.out_proj((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """One layer of the encoder or, with ``cross``, of the decoder; normalised after each part, as Marian's."""

    def __init__(self, shape: Shape, *, cross: bool) -> None:
        """Make a layer of ``shape``."""
        super().__init__()
        self.rate = shape.dropout
        self.self_attn = Attention(shape)
        self.self_attn_layer_norm = nn.LayerNorm(shape.d_model)
        if cross:
            self.encoder_attn = Attention(shape)
            self.encoder_attn_layer_norm = nn.LayerNorm(shape.d_model)
        self.fc1 = nn.Linear(shape.d_model, shape.ffn)
        self.fc2 = nn.Linear(shape.ffn, shape.d_model)
        self.final_layer_norm = nn.LayerNorm(shape.d_model)

    def forward(self, states: Tensor, mask: Tensor, memory: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        """Return the next states; ``memory`` and its mask ``seen`` are the encoder's, for the decoder."""
        rate = self.rate if self.training else 0.0
        states = self.self_attn_layer_norm(states + dropout(self.self_attn(states, states, mask), rate))
        if memory is not None:
            attended = self.encoder_attn(states, memory, seen)
            states = self.encoder_attn_layer_norm(states + dropout(attended, rate))
        inner = self.fc2(functional.silu(self.fc1(states)))
        return self.final_layer_norm(states + dropout(inner, rate))  # type: ignore[no-any-return]


class Stack(nn.Module):
    """The encoder's or the decoder's layers."""

    def __init__(self, shape: Shape, layers: int, *, cross: bool) -> None:
        """Make ``layers`` layers."""
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape, cross=cross) for _ in range(layers))

    def forward(self, states: Tensor, *masks_and_memory: Tensor) -> Tensor:
        """Run all layers."""
        for layer in self.layers:
            states = layer(states, *masks_and_memory)
        return states


class Network(nn.Module):
    """Encoder, decoder and the one matrix of embeddings that both and the output share.

    The last vocabulary entry is the padding, which also starts the decoder. Its embedding is zero and
    stays so, and it is no output: CTranslate2's conversion of Marian models relies on both.
    """

    def __init__(self, shape: Shape, vocabulary: int) -> None:
        """Make a network of ``shape`` with as many entries as the ``vocabulary`` has in fact."""
        super().__init__()
        self.rate, self.pad = shape.dropout, vocabulary - 1
        self.scale = math.sqrt(shape.d_model)
        self.shared = nn.Embedding(vocabulary, shape.d_model)
        self.encoder = Stack(shape, shape.encoder_layers, cross=False)
        self.decoder = Stack(shape, shape.decoder_layers, cross=True)
        self.register_buffer("positions", sinusoids(shape.positions, shape.d_model), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02 if "shared" in name else parameter.shape[1] ** -0.5)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        with torch.no_grad():
            self.shared.weight[self.pad] = 0

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the decoder's last states (batch, target, d) for ``source`` and ``target`` (batch, time) ids."""
        mask = self._mask(source)
        memory = self.encoder(self._embed(source), mask)
        future = memory.new_full((target.shape[1],) * 2, -1e4).triu(1)
        # Padding comes last, so a token never sees it: the future's mask is enough for the decoder.
        states: Tensor = self.decoder(self._embed(target), future, memory, mask)
        return states

    def output(self) -> Tensor:
        """Return the output matrix (vocabulary less the padding, d)."""
        return self.shared.weight[:-1]

    def _mask(self, ids: Tensor) -> Tensor:
        return ((ids == self.pad).to(self.shared.weight.dtype) * -1e4)[:, None, None, :]

    def _embed(self, ids: Tensor) -> Tensor:
        embedded = self.shared(ids) * self.scale + self.positions[: ids.shape[1]]  # type: ignore[index]
        return dropout(embedded, self.rate if self.training else 0.0)


def sinusoids(positions: int, d_model: int) -> Tensor:
    """Return Marian's position encodings (positions, d): sines in the first half, cosines in the second."""
    rates = 10000 ** (-torch.arange(0, d_model, 2) / d_model)
    angles = torch.arange(positions)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class SmoothedLoss(torch.autograd.Function):
    """Cross-entropy with label smoothing straight from the states: the logits never exist at once.

    A slice of rows at a time stays in the processor's cache, forward and backward together.
    """

    ROWS = 512

    @staticmethod
    def forward(ctx: Any, states: Tensor, matrix: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """Return the mean loss (nats) of ``labels`` (n) for ``states`` (n, d) and the output ``matrix`` (v, d)."""
        count = len(labels)
        total = states.new_zeros((), dtype=torch.float32)
        to_states, to_matrix = torch.empty_like(states), torch.zeros_like(matrix, dtype=torch.float32)
        for start in range(0, count, SmoothedLoss.ROWS):
            rows = slice(start, start + SmoothedLoss.ROWS)
            loss, gradient = _smoothed(states[rows] @ matrix.T, labels[rows, None], smoothing, float(count))
            total += loss
            to_states[rows] = gradient @ matrix
            to_matrix += gradient.T @ states[rows]
        ctx.save_for_backward(to_states, to_matrix.to(matrix.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Hand on what forward has computed."""
        to_states, to_matrix = ctx.saved_tensors
        return to_states * gradients[0], to_matrix * gradients[0], None, None


def _smoothed_eagerly(logits: Tensor, truth: Tensor, smoothing: float, count: float) -> tuple[Tensor, Tensor]:
    """Return the sum of the rows' losses over ``count``, and its gradient by the logits."""
    exact = logits.float()
    total = exact.logsumexp(1, keepdim=True)
    loss = (total[:, 0] - smoothing * exact.mean(1)).sum() - (1 - smoothing) * exact.gather(1, truth).sum()
    true = torch.arange(logits.shape[1], device=logits.device)[None] == truth
    wanted = torch.where(true, 1 - smoothing, 0.0) + smoothing / logits.shape[1]
    return loss / count, (((exact - total).exp() - wanted) / count).to(logits.dtype)


_smoothed = torch.compile(_smoothed_eagerly, dynamic=True)
"""Fused, it reads the logits a few times instead of a dozen."""
