"""The server's log: one line an event on stderr, as `time level event key=value ...`."""

import datetime
import json
import re
import sys

_PLAIN = re.compile(r"[^\s\"=]+")


def log(level: str, event: str, **fields: object) -> None:
    """Writes one line.

    Args:
        level: "info", "warning" or "error".
        event: what happened, in one word.
        fields: what is known about it; None is left out.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    pairs = [f"{key}={_value(value)}" for key, value in fields.items() if value is not None]
    print(now.replace("+00:00", "Z"), level, event, *pairs, file=sys.stderr, flush=True)


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
