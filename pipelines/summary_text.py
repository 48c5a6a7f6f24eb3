"""A few lines that say what a run has made, kept and dropped, and where it lies."""

from collections.abc import Iterator

from pipelines import files
from pipelines.stages import Outcome


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Yield the closing lines of a command."""
    if outcome.manifest:
        manifest = outcome.manifest
        samples = sum(shard.samples for shard in manifest.shards)
        yield (
            f"{manifest.captions_read:,} captions read, {manifest.captions_rejected:,} rejected; "
            f"{manifest.pairs_made:,} pairs made, {manifest.pairs_kept:,} kept, {manifest.pairs_dropped:,} dropped"
        )
        if outcome.audit:
            yield from (f"  {language['sentence']}" for language in outcome.audit["languages"].values())
        yield f"shards: {outcome.run.shards} ({len(manifest.shards):,} tars, {samples:,} samples)"
    if outcome.audit:
        yield f"report: {files.join(outcome.run.audit, 'report.html')}"
