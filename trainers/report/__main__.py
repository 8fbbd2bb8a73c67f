"""Writes the report of a training run: python -m trainers.report --run=WORKDIR

The report is WORKDIR/report.html, one file with samples over time, charts and warnings; open it in
any browser. A run writes it at every checkpoint; this writes it anew, of a run that goes on too.
"""

from absl import flags

from zoo.core.commands import run_with_flags


def _define_flags() -> None:
    flags.DEFINE_string("run", None, "Workdir of a training run.")


def _report() -> None:
    from trainers.report import write_report

    if not flags.FLAGS.run:
        raise ValueError("Give --run=WORKDIR. See python -m trainers.report --help.")
    print(f"Wrote {write_report(flags.FLAGS.run)}: open it in a browser")


def main() -> None:
    """Console entry point."""
    run_with_flags(_define_flags, _report)


if __name__ == "__main__":
    main()
