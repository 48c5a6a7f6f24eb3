"""The embedded demo: twenty photographs with five captions each, run through the bundled model."""

from pathlib import Path

from pipelines.config import Config, InputConfig, ShardsConfig, TranslateConfig


def demo_config() -> Config:
    """Return the configuration of the demo: bundled captions into every language of ``mini``, and back."""
    here = Path(__file__).parent
    source = InputConfig(
        format="jsonl", path=[str(here / "captions.jsonl")], media=f"{here}/{{image}}", media_root=str(here)
    )
    return Config(
        input=source,
        languages=["de", "fr", "cs", "zh"],
        translate=TranslateConfig(back_translation=True),
        shards=ShardsConfig(embeddings=True),
    )
