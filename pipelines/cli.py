"""The command line. Nothing heavy is imported before a command needs it."""

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.export_command import add_export

if TYPE_CHECKING:
    from pipelines.config import Config
    from pipelines.stages import Outcome

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; the run failed; the command or configuration is wrong; stopped by Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in ``arguments`` (by default the process's own) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut_at = given.index("--") if "--" in given else len(given)
    options = _parser().parse_args(given[:cut_at])
    options.beam = tuple(given[cut_at + 1 :])
    logging.basicConfig(level=logging.INFO if options.debug else logging.WARNING, format="%(levelname)s %(message)s")
    if not options.debug:
        # Beam warns of extras that are not installed and that nothing here needs.
        logging.getLogger().addFilter(lambda record: "apitools" not in record.getMessage())
    try:
        code: int = options.command(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _interrupted(options)
    except BrokenPipeError:
        # Whoever read our output, such as head, has seen enough; and nothing more can be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if options.debug:
            raise
        return _failed(error)


def _failed(error: Exception) -> int:
    from pipelines.config import ConfigError
    from pipelines.runner import RunFailed, explain

    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(f"captionloom: {problem}", file=sys.stderr)
        return WRONG
    message = str(error) if isinstance(error, RunFailed | OSError) else explain(f"{type(error).__name__}: {error}")
    print(f"captionloom: {message}", file=sys.stderr)
    if _is_full_disk(message):
        print("captionloom: make room and run the same command again: what is finished is kept", file=sys.stderr)
    elif not isinstance(error, RunFailed | OSError):
        print("captionloom: --debug shows where", file=sys.stderr)
    return FAILED


def _is_full_disk(message: str) -> bool:
    return "No space left on device" in message or "Disk quota exceeded" in message


def _interrupted(options: argparse.Namespace) -> int:
    """Say how to go on and end at once: every finished part is whole, and nothing else counts."""
    print(
        "\ncaptionloom: stopped; run the same command again to continue where it was",
        file=sys.stderr,
        flush=True,
    )
    if options.running:
        # Threads and processes of the runner may still be in a batch of the engine: nothing of theirs is needed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        _kill_children(os.getpid())
        os._exit(INTERRUPTED)
    return INTERRUPTED


def _kill_children(process: int) -> None:
    """End the runner's worker processes, which would print that we are gone; without /proc they find out alone."""
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            _kill_children(child)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _build(options: argparse.Namespace) -> int:
    from pipelines.stages import STAGES

    return _run(options, STAGES)


def _stage(options: argparse.Namespace) -> int:
    return _run(options, (options.name,))


def _run(options: argparse.Namespace, stages: Sequence[str]) -> int:
    from pipelines.config import ConfigError
    from pipelines.load import load_config

    config, problems = load_config(options.config, overrides=options.set)
    out = options.out or (config.out if config else None)
    if out is None:
        problems.append("no output directory: give --out DIR, or out: in the configuration")
    if config is None or out is None:
        raise ConfigError(problems)
    _print_outcome(_start(options, config, out, stages, problems))
    return DONE


def _demo(options: argparse.Namespace) -> int:
    from pipelines.demo import demo_config
    from pipelines.stages import STAGES

    outcome = _start(options, demo_config(), options.out or "demo-run", STAGES, [])
    _print_outcome(outcome)
    return DONE


def _start(
    options: argparse.Namespace, config: "Config", out: str, stages: Sequence[str], problems: list[str]
) -> "Outcome":
    """Check everything, then run; raises `ConfigError` with all problems at once."""
    from pipelines import files
    from pipelines.calibrations import load_calibrations
    from pipelines.config import ConfigError
    from pipelines.progress import Reporter
    from pipelines.run import Run
    from pipelines.runner import Launcher
    from pipelines.stages import Stages, check

    run = Run(os.path.abspath(out) if files.is_local(out) else out)  # noqa: PTH100
    launcher = Launcher(config.runner, options.beam)
    plan, found = check(config, stages, here=launcher.local)
    if "cut" in stages:
        try:
            load_calibrations(run, config)
        except ConfigError as error:
            found += error.problems
    try:
        files.exists(run.root)
    except ValueError as error:  # Beam has no filesystem of that scheme
        found.append(f"--out {out}: {error}")
    if plan is None or problems or found:
        # What the loader has named is not named again by who stumbled over it.
        raise ConfigError([*problems, *(one for one in found if not any(one in named for named in problems))])
    stages_of_run = Stages(run, config, plan, launcher, Reporter(quiet=options.quiet))
    options.running = True
    return stages_of_run(stages, overwrite=options.overwrite)


def _print_outcome(outcome: "Outcome") -> None:
    from pipelines.summary_text import outcome_lines

    for line in outcome_lines(outcome):
        print(line)


def _verify(options: argparse.Namespace) -> int:
    from pipelines.run import Run
    from pipelines.verify import verify

    problems, counts = verify(Run(options.run))
    for problem in problems:
        print(f"captionloom: {problem}", file=sys.stderr)
    if problems:
        print(f"captionloom: {options.run}: {len(problems):,} broken promises", file=sys.stderr)
        return FAILED
    print(f"{options.run}: {counts}: every promise holds")
    return DONE


def _show(options: argparse.Namespace) -> int:
    from pipelines.run import Run
    from pipelines.show import show

    for line in show(Run(options.run), key=options.key, items=options.items):
        print(line)
    return DONE


def _models(options: argparse.Namespace) -> int:
    from pipelines.config import ConfigError
    from pipelines.load import load_config
    from pipelines.models import fetched_lines, list_models, model_lines

    *verb, path = options.arguments
    if verb not in ([], ["fetch"]):
        raise ConfigError([f"captionloom models {' '.join(verb)}: only fetch can stand before CONFIG.yaml"])
    config, problems = load_config(path, overrides=options.set)
    if config is None or problems:
        raise ConfigError(problems)
    uses = list_models(config, fetch=bool(verb))
    for line in model_lines(uses):
        print(line)
    if verb:
        for line in fetched_lines(uses):
            print(line)
    return DONE if all(not use.problems for use in uses) else WRONG


def _noise(options: argparse.Namespace) -> int:
    from pipelines.noise import noise, noise_lines

    planted = noise(
        options.input,
        options.out,
        language=options.language,
        ratio=options.ratio,
        kinds=[kind.strip() for kind in options.kinds.split(",")] if options.kinds else None,
        seed=options.seed,
        other=options.other,
        teacher=options.teacher,
    )
    for line in noise_lines(planted, options.out):
        print(line)
    return DONE


def _pairs(options: argparse.Namespace) -> int:
    from pipelines.pairs import Settings, judge_pairs, judged_lines

    settings = Settings(
        language=options.language,
        source_language=options.source_language,
        teacher=options.teacher,
        model=options.model,
        back=options.back,
        calibration=options.calibration,
        calibrate=options.calibrate,
        min_clean_probability=options.min_clean_probability,
    )
    columns = tuple(name.strip() for name in options.columns.split(","))
    if len(columns) != 2:
        from pipelines.config import ConfigError

        raise ConfigError([f"--columns {options.columns}: give two names, the source's and the translation's"])
    judged = judge_pairs(options.input, options.out, settings, columns=columns)
    for line in judged_lines(judged, options.out):
        print(line)
    return DONE


def _calibrate(options: argparse.Namespace) -> int:
    from pipelines.config import ConfigError

    try:
        from pipelines.calibrate import calibrate_run, calibration_lines
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        raise ConfigError(["calibrate needs scikit-learn: pip install 'captionloom[calibrate]'"]) from None
    from pipelines.run import Run

    def say(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr)

    run = Run(options.run)
    found = calibrate_run(run, languages=options.language, rows=options.rows, seed=options.seed, say=say)
    for line in calibration_lines(run, found):
        print(line)
    return DONE


def _export(options: argparse.Namespace) -> int:
    from pipelines.export_command import export

    for line in export(options):
        print(line)
    return DONE


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="captionloom",
        description="English image and video captions in, audited multilingual WebDataset shards out.",
        epilog="Options after -- go to Apache Beam, such as -- --runner=DataflowRunner --region=...",
    )
    parser.set_defaults(running=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, help_line: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_line, description=help_line)
        added.add_argument("--debug", action="store_true", help="show tracebacks and the runner's own log")
        added.set_defaults(command=function, name=name)
        return added

    def runs(added: argparse.ArgumentParser) -> None:
        added.add_argument("--out", metavar="DIR", help="the run directory")
        added.add_argument("--overwrite", action="store_true", help="replace the shards of another configuration")
        added.add_argument("--quiet", action="store_true", help="no progress")

    def settable(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "--set", action="append", default=[], metavar="A.B=VALUE", help="put one setting over the file's"
        )

    runs(command("demo", _demo, "run the embedded default: bundled model, photographs and captions; no network"))
    for name, function, help_line in (
        ("build", _build, "score, cut and audit"),
        ("score", _stage, "translate and measure into the ledger"),
        ("cut", _stage, "judge, filter and write shards; loads no model"),
        ("audit", _stage, "write the audit and the report again"),
    ):
        added = command(name, function, help_line)
        added.add_argument("config", metavar="CONFIG.yaml")
        runs(added)
        settable(added)
    added = command("models", _models, "list the models of a configuration, or fetch and convert them ahead of a run")
    added.add_argument("arguments", metavar="[fetch] CONFIG.yaml", nargs="+")
    settable(added)
    added = command("noise", _noise, "plant noise at an exact ratio in clean pairs, with the label and kind of each")
    added.add_argument("input", metavar="INPUT", nargs="+", help="a parallel file, a run, or two line-aligned files")
    added.add_argument("--language", required=True, help="of the translations")
    added.add_argument("--out", metavar="FILE", required=True, help=".parquet, .tsv or .jsonl")
    added.add_argument("--ratio", type=float, default=0.2, help="the share of noisy pairs (default 0.2)")
    added.add_argument("--kinds", metavar="KIND,KIND", help="default: all that the input allows")
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("--other", metavar="FILE", help="texts in another language, or another language of the run")
    added.add_argument("--teacher", default="muse", help="what near_miss finds similar captions by (default muse)")
    added = command("pairs", _pairs, "measure and judge pairs that somebody else translated")
    added.add_argument("input", metavar="INPUT", nargs="+", help="a parallel file, or two line-aligned files")
    added.add_argument("--language", required=True, help="of the translations")
    added.add_argument("--source-language", default="en", metavar="CODE", help="of the sources (default en)")
    added.add_argument("--out", metavar="FILE.parquet", required=True)
    added.add_argument("--columns", default="source,target", help="their names in the file (default source,target)")
    added.add_argument("--teacher", default="muse", help="a sentence encoder, or none (default muse)")
    added.add_argument("--model", default="mini", help="what reads the translations token by token, or none")
    added.add_argument("--back", action="store_true", help="translate back too, with the same model")
    added.add_argument("--calibration", metavar="DIR", help="judge by what captionloom calibrate wrote there")
    added.add_argument(
        "--calibrate", action="store_true", help="learn from the pairs themselves what noise is; judge by it"
    )
    added.add_argument("--min-clean-probability", type=float, metavar="P", help="default: what the calibration offers")
    added = command("calibrate", _calibrate, "learn from a finished run what its noise looks like; needs scikit-learn")
    added.add_argument("run", metavar="RUN")
    added.add_argument("--language", action="append", default=[], metavar="CODE", help="default: all of the run")
    added.add_argument("--rows", type=_count, default=5000, help="texts to plant noise in (default 5000)")
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("--quiet", action="store_true", help="no progress")
    add_export(command("export", _export, "write a finished run's kept pairs in a format that trainers read"))
    added = command("verify", _verify, "re-read a run and check every promise")
    added.add_argument("run", metavar="RUN")
    added = command("show", _show, "what happened to one item, or to a sample of items")
    added.add_argument("run", metavar="RUN")
    added.add_argument("key", metavar="KEY", nargs="?")
    added.add_argument("--items", type=_count, default=3, help="how many items to show without a KEY (default 3)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
