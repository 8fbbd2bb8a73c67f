"""Bundles a finished run as a pretrained preset: python -m trainers.publish --run=W --score=FILE

For maintainers: writes zoo/pretrained/<preset>/ with float16 weights and the run's card, to which
it adds the licence and the record that `python -m trainers.evaluate --out=FILE` measured.
"""

import json
import pathlib

from absl import flags

from zoo.cli import quiet_tensorflow, run_with_flags

LICENCE = "Apache-2.0"


def _define_flags() -> None:
    flags.DEFINE_string("run", None, "Workdir of the run.", required=True)
    flags.DEFINE_multi_string("score", None, "Record of trainers.evaluate.", required=True)
    flags.DEFINE_string("to", None, "Folder of presets [zoo/pretrained].")


def _publish() -> None:
    quiet_tensorflow()
    import zoo
    from zoo.presets import PRETRAINED

    gan = zoo.load(str(pathlib.Path(flags.FLAGS.run) / "preset"))
    scores = [json.loads(pathlib.Path(path).read_text()) for path in flags.FLAGS.score]
    name = gan.card["name"]
    folder = pathlib.Path(flags.FLAGS.to or PRETRAINED) / name
    card = {key: value for key, value in gan.card.items() if key != "sha256"}
    card |= {
        "description": zoo.get_preset(name).description,
        "licence": LICENCE,
        "scores": scores,
    }
    gan.save_to_preset(folder, card=card, dtype="float16")
    print(f"Wrote {folder}")


def main() -> None:
    """Console entry point."""
    run_with_flags(_define_flags, _publish)


if __name__ == "__main__":
    main()
