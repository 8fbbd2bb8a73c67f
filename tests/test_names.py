"""One name, one thing: no two modules share a name, or differ by an ending."""

import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent
# Every family, package or command has these.
EVERYWHERE = {"__init__", "__main__", "networks", "model", "presets", "published"}
ENDING = re.compile(r"(s|ing|ion|ions|or|ors|er|ers|ed|e)$")


def test_a_modules_name_says_which_it_is() -> None:
    modules = collections.defaultdict(list)
    for package in ("zoo", "trainers", "export", "serving"):
        for path in (ROOT / package).rglob("*.py"):
            if path.stem not in EVERYWHERE:
                modules[ENDING.sub("", path.stem)].append(str(path.relative_to(ROOT)))
    alike = [paths for paths in modules.values() if len(paths) > 1]
    assert not alike
