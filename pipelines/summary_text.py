"""A few lines that say what a run has made, kept and dropped, and where it lies."""

from collections.abc import Iterator
from typing import Any

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
        for code, language in (outcome.audit or {}).get("languages", {}).items():
            yield _language_line(code, language)
        yield f"shards: {outcome.run.shards} ({len(manifest.shards):,} tars, {samples:,} samples)"
    if outcome.audit:
        yield f"report: {files.join(outcome.run.audit, 'report.html')}"


def _language_line(code: str, language: dict[str, Any]) -> str:
    made, kept = language["made"], language["kept"]
    reasons = sorted(language["reasons"].items(), key=lambda item: (-item[1], item[0]))
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in reasons if count)
    share = f" ({kept / made:.1%})" if made else ""
    return f"  {code}: {kept:,} of {made:,} kept{share}{'; dropped for ' + dropped if dropped else ''}"
