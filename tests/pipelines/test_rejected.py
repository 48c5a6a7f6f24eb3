"""How many rejects a run may have: what was asked for, or is allowed for by itself, does not count."""

import pytest

from pipelines.config import InputConfig
from pipelines.cut import check_rejected
from pipelines.runner import RunFailed


def limits(name: str = "jsonl", **settings: float) -> InputConfig:
    """Return the input of a format with other bounds than the defaults."""
    return InputConfig.model_validate({"format": name, "path": "x", **settings})


@pytest.mark.parametrize(
    ("limits", "rejects"),
    [
        (limits(), {}),
        (limits(), {"empty_caption": 5}),
        (limits(), {"evaluation_overlap": 99}),
        (limits(), {"evaluation_overlap": 80, "empty_caption": 1}),
        (limits(), {"missing_media": 5}),
        (limits("vatex"), {"missing_media": 99}),
        (limits("msrvtt"), {"missing_media": 60, "evaluation_overlap": 20, "empty_caption": 1}),
        (limits(max_missing_media=0.3), {"missing_media": 30, "bad_key": 3}),
        (limits(max_rejected=1), {"empty_caption": 100}),
    ],
)
def test_few_enough(limits: InputConfig, rejects: dict[str, int]) -> None:
    """Of a hundred captions, five may be rejected; of what is left where others do not count, five in a hundred."""
    check_rejected(rejects, read=100, limits=limits)


@pytest.mark.parametrize(
    ("limits", "rejects", "said"),
    [
        (
            limits(),
            {"empty_caption": 4, "missing_media": 2},
            "6 of 100 captions were rejected (6.0%; input.max_rejected is 5.0%), most for: empty_caption 4, "
            "missing_media 2. The rejects folder",
        ),
        (
            limits(),
            {"evaluation_overlap": 80, "empty_caption": 2},
            "2 of 20 captions were rejected (10.0%; input.max_rejected is 5.0%), most for: empty_caption 2.",
        ),
        (
            limits(max_missing_media=0.3),
            {"missing_media": 31},
            "the media of 31 of 100 captions are missing (31.0%; input.max_missing_media is 30.0%).",
        ),
        (
            limits("vatex", max_missing_media=0.0),
            {"missing_media": 1},
            "the media of 1 of 100 captions are missing (1.0%; input.max_missing_media is 0.0%).",
        ),
        (
            limits("vatex"),
            {"missing_media": 99, "evaluation_overlap": 1},
            "no caption is left: all 100 were rejected, most for: missing_media 99, evaluation_overlap 1",
        ),
    ],
)
def test_too_many(limits: InputConfig, rejects: dict[str, int], said: str) -> None:
    """The run fails by the bound that is passed, and where nothing is left."""
    with pytest.raises(RunFailed) as error:
        check_rejected(rejects, read=100, limits=limits)
    assert str(error.value).startswith(said)
