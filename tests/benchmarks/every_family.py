"""What training costs, family by family: python tests/benchmarks/every_family.py

A dry run of every recipe on the bundled sample of its data (of Fashion-MNIST where it has none),
each in a process of its own: parameters, peak memory and images/s. Figures of one machine; run it
where nothing else runs.
"""

import subprocess
import sys

from trainers.data.bundled import SAMPLES
from trainers.recipes import get_recipe, list_recipes

SHOWN = ("generator:", "discriminator:", "memory:", "speed")


def main() -> None:
    """Prints a block of lines for each recipe."""
    for recipe in list_recipes():
        print(recipe, flush=True)
        command = [sys.executable, "-m", "trainers", f"--recipe={recipe}", "--dry_run"]
        dataset = get_recipe(recipe)["dataset"]
        command.append(f"--dataset=sample:{dataset if dataset in SAMPLES else 'fashion_mnist'}")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        for line in done.stdout.splitlines():
            if any(word in line for word in SHOWN):
                print(f"    {line}", flush=True)


if __name__ == "__main__":
    main()
