"""Writes the report of a training run: python -m trainers.report --run=WORKDIR

The report is WORKDIR/report.html, one file with samples over time, charts and warnings; open it in
any browser. A run writes it at every checkpoint. This command updates it, even during the run.
"""

from collections.abc import Sequence

from zoo.core.commands import Parser, run


def _parser() -> Parser:
    parser = Parser("python -m trainers.report", __doc__)
    parser.add_argument("--run", metavar="WORKDIR", help="the workdir of a training run")
    return parser


def _report(workdir: str | None) -> None:
    if not workdir:
        raise ValueError("Give --run=WORKDIR. See python -m trainers.report --help.")
    from trainers.report import write_report

    print(f"Wrote {write_report(workdir)}: open it in a browser")


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: _report(args.run))


if __name__ == "__main__":
    main()
