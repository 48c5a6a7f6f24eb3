"""How a model decodes and where it runs: plain settings, so that planning a run loads no engine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decoding:
    """Decoding options, by CTranslate2's names. All of them are part of a translation's fingerprint."""

    beam_size: int = 4
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 5
    """No run of so many pieces comes twice: a loop ends, and of human captions one in 600 has such a run."""
    max_decoding_length: int = 200
    num_hypotheses: int = 1
    """The best so many are kept, each with its score; at most ``beam_size`` unless sampling."""
    patience: float = 1.0
    coverage_penalty: float = 0.0
    sampling_topk: int = 1
    """1: no sampling; 0: of the whole vocabulary. Sampled translations differ from run to run."""
    sampling_topp: float = 1.0
    sampling_temperature: float = 1.0
    disable_unk: bool = True
    """An unknown word is spelt in known pieces or left out, never written as a marker."""


@dataclass(frozen=True)
class Device:
    """Where and how the engine runs; does not change what is asked of the model."""

    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``: the GPU where there is one."""
    compute_type: str = "auto"
    """CTranslate2's name; ``auto``: the fastest that the device supports."""
    inter_threads: int = 0
    """Batches decoded at once on the CPU; 0: one for each core this process may use."""
    intra_threads: int = 0
    """Threads for one batch; 0: one, since parallel batches scale better than parallel matrices."""
    device_index: tuple[int, ...] = ()
    """The GPUs that hold a replica; none named: all there are."""
    max_batch_tokens: int = 0
    """Padded source tokens in one batch; 0: 512 on a CPU, 8,192 on a GPU."""
