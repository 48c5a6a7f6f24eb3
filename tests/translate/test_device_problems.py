"""What a machine cannot do of a configured device is known without loading anything."""

import ctranslate2
import pytest

from translate.decoding import Device
from translate.devices import device_problems

GPU_TYPES = {"float32", "float16", "int8", "int8_float16"}
CPU_TYPES = {"float32", "int8", "int8_float32"}
CPU_SUPPORTS = "it supports auto, default, float32, int8, int8_float32"


@pytest.fixture(params=[0, 2])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have no GPU, or two of which the second is an old one, and return how many."""

    def types(device: str, index: int) -> set[str]:
        if device == "cpu":
            return CPU_TYPES
        return GPU_TYPES if index == 0 else {"float32"}

    count: int = request.param
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: count)
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", types)
    return count


@pytest.mark.parametrize(
    ("device", "without", "with_two"),
    [
        (Device(), [], []),
        (Device(device="cpu", compute_type="int8"), [], []),
        (Device(compute_type="default"), [], []),
        (
            Device(device="cuda"),
            ["device: CUDA finds no GPU here; use cpu, or auto: a GPU where there is one"],
            [],
        ),
        (
            Device(device="cuda", device_index=(0, 1)),
            ["device: CUDA finds no GPU here; use cpu, or auto: a GPU where there is one"],
            [],
        ),
        (
            Device(device_index=(0, 3)),
            ["device_index: there is no GPU 0 here: CUDA finds none"],
            ["device_index: there is no GPU 3 here: CUDA finds 0, 1"],
        ),
        (
            Device(device="cpu", device_index=(0,)),
            ["device_index: it names GPUs, and device is cpu"],
            ["device_index: it names GPUs, and device is cpu"],
        ),
        (
            Device(device="cpu", compute_type="float16"),
            [f"compute_type: this CPU does not support 'float16'; {CPU_SUPPORTS}"],
            [f"compute_type: this CPU does not support 'float16'; {CPU_SUPPORTS}"],
        ),
        (
            Device(compute_type="float16"),
            [f"compute_type: this CPU does not support 'float16'; {CPU_SUPPORTS}"],
            ["compute_type: GPU 1 does not support 'float16'; it supports auto, default, float32"],
        ),
        (
            Device(device="cuda", device_index=(0,), compute_type="int3"),
            ["device: CUDA finds no GPU here; use cpu, or auto: a GPU where there is one"],
            [
                "compute_type: GPU 0 does not support 'int3'; "
                "it supports auto, default, float16, float32, int8, int8_float16"
            ],
        ),
    ],
)
def test_what_this_machine_lacks(gpus: int, device: Device, without: list[str], with_two: list[str]) -> None:
    """One line names the setting and what there is."""
    assert device_problems(device) == (with_two if gpus else without)


@pytest.mark.parametrize(
    ("device", "problems"),
    [
        (Device(device="cuda", device_index=(7,), compute_type="float16"), []),
        (Device(device="cpu", device_index=(0,)), ["device_index: it names GPUs, and device is cpu"]),
        (
            Device(compute_type="int3"),
            [
                "compute_type: 'int3' is none; known are auto, default, int8, int8_float32, int8_float16, "
                "int8_bfloat16, int16, float16, bfloat16, float32"
            ],
        ),
    ],
)
def test_what_no_machine_can(gpus: int, device: Device, problems: list[str]) -> None:
    """Of a machine that is not this one nothing else is known."""
    assert device_problems(device, here=False) == problems


def test_the_compute_types_are_ctranslate2s() -> None:
    """Those of its converters, all of them."""
    for name in ctranslate2.specs.model_spec.ACCEPTED_MODEL_TYPES:
        assert device_problems(Device(compute_type=name), here=False) == []


@pytest.mark.parametrize("name", sorted(ctranslate2.get_supported_compute_types("cpu")))
def test_this_machine_itself(name: str) -> None:
    """What its own CPU supports is no problem."""
    assert device_problems(Device(device="cpu", compute_type=name)) == []
