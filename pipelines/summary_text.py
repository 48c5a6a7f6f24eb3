"""A few lines that say what a run has made, kept and dropped, and where it lies."""

import os
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
            yield from (f"  {outcome.audit['languages'][code]['sentence']}" for code in manifest.languages)
        yield f"shards: {_near(outcome.run.shards)} ({len(manifest.shards):,} tars, {samples:,} samples)"
    if outcome.audit:
        yield f"report: {_near(files.join(outcome.run.audit, 'report.html'))}"


def _near(path: str) -> str:
    """Return a local path as it is from here, where it is below here."""
    if not files.is_local(path):
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
