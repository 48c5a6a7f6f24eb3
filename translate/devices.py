"""What the machine has, and how the engine uses it where the configuration leaves that open."""

import os
import re
from pathlib import Path
from typing import Final

import ctranslate2

from translate.decoding import Device

_CPU_BATCH: Final = 512
"""What stays in a core's cache: as fast as any for mini, and for OPUS-MT's size up to a tenth faster than 1,024."""
_GPU_BATCH: Final = 8192
"""Not measured."""

_ISA: Final = "CT2_FORCE_CPU_ISA"
_CPUINFO: Final = Path("/proc/cpuinfo")


def placed(device: Device) -> tuple[str, list[int]]:
    """Return CTranslate2's device, ``cpu`` or ``cuda``, and the indexes of its replicas."""
    gpus = ctranslate2.get_cuda_device_count() if device.device != "cpu" else 0
    if device.device == "cpu" or (device.device == "auto" and not gpus):
        return "cpu", [0]
    return "cuda", list(device.device_index or range(gpus)) or [0]


def cpu_workers(device: Device) -> int:
    """Return the batches to decode at once on the CPU."""
    return device.inter_threads or len(os.sched_getaffinity(0))


def batch_tokens(device: Device, where: str) -> int:
    """Return the padded source tokens of a batch on ``where``, a device of CTranslate2's."""
    return device.max_batch_tokens or (_CPU_BATCH if where == "cpu" else _GPU_BATCH)


def use_wide_vectors(cpuinfo: Path = _CPUINFO) -> None:
    """Let CTranslate2 use AVX-512 where that pays, unless ``CT2_FORCE_CPU_ISA`` is set; before it first computes.

    It holds itself to AVX2, since the first processors with AVX-512 slow down for it. Those of 2019 and later (Ice
    Lake, Zen 4: they have VBMI2) do not, and mini translates a tenth more on Zen 5.
    """
    if _ISA in os.environ:
        return
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text("ascii", "ignore"), re.MULTILINE)
    except OSError:
        return  # not Linux
    if flags and {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vbmi2"} <= set(flags[1].split()):
        os.environ[_ISA] = "AVX512"


_COMPUTE_TYPES: Final = (
    "auto",
    "default",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
    "int16",
    "float16",
    "bfloat16",
    "float32",
)
_EVERYWHERE: Final = _COMPUTE_TYPES[:2]
"""The fastest type of a device, and that of the model's file or what comes next to it: every device has them."""


def device_problems(device: Device, *, here: bool = True) -> list[str]:
    """Return why the engine cannot run as ``device`` says, each by its setting; it loads nothing.

    Unless ``here``, it will run on other machines, of which nothing is known.
    """
    if device.device == "cpu" and device.device_index:
        return ["device_index: it names GPUs, and device is cpu"]
    if not here:
        known = device.compute_type in _COMPUTE_TYPES
        return (
            [] if known else [f"compute_type: {device.compute_type!r} is none; known are {', '.join(_COMPUTE_TYPES)}"]
        )
    gpus = 0 if device.device == "cpu" else ctranslate2.get_cuda_device_count()
    if device.device == "cuda" and not gpus:
        return ["device: CUDA finds no GPU here; use cpu, or auto: a GPU where there is one"]
    for index in device.device_index:
        if index >= gpus:
            there = f"CUDA finds {', '.join(map(str, range(gpus)))}" if gpus else "CUDA finds none"
            return [f"device_index: there is no GPU {index} here: {there}"]
    if device.compute_type in _EVERYWHERE:
        return []
    use_wide_vectors()  # the engine looks at its processor once, and this asks it
    where, indexes = placed(device)
    for index in indexes:
        supported = ctranslate2.get_supported_compute_types(where, index)
        if device.compute_type not in supported:
            name = "this CPU" if where == "cpu" else f"GPU {index}"
            known_here = ", ".join((*_EVERYWHERE, *sorted(supported)))
            return [f"compute_type: {name} does not support {device.compute_type!r}; it supports {known_here}"]
    return []
