"""Two tiny families, each as a newcomer would add it: a folder, a line here, a case in the battery.

They show that a vector can be a condition and a map of classes a source.
"""

import zoo

FAMILIES = {
    "toy_text": "tests.toys.toy_text:ToyText",
    "toy_map": "tests.toys.toy_map:ToyMap",
}


def register() -> None:
    """Adds the toys to the registry."""
    for name, path in FAMILIES.items():
        zoo.register_family(name, path)
