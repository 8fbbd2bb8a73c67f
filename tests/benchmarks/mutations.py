"""Damages messages, JSON and bytes at random, for `fuzz_serving.py`."""

import random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

INTEGERS = (0, 1, -1, 2, 3, 7, 255, 256, 65_536, 50_000_000)
INTEGERS += tuple(
    sign * 2**power + off for power in (31, 32, 63) for sign in (1, -1) for off in (-1, 0)
)
FLOATS = (0.0, -0.0, 1.0, -1.5, 1e30, 1e-40, float("inf"), float("nan"))
WORDS = ("", "x", "a", "b", "toy", "scale", "serving_default", "FP32", "BYTES", "INT8", "\0", "é")
WORDS += ("../../etc", "9" * 30, "a" * 300)
JSON = (None, True, False, "x", "", [], {}, [[1], [2, 3]], {"b64": "!!"}, {"b64": "AAAA"})
JSON += (2**70, 1e308, float("nan"), [[[]] * 3])
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64),
}


def damage(message: Message, rng: random.Random, depth: int = 0) -> None:
    """Changes one or two fields, at any depth."""
    for _ in range(rng.choice((1, 1, 2)) if message.DESCRIPTOR.fields else 0):
        field = rng.choice(message.DESCRIPTOR.fields)
        is_message = field.message_type is not None
        if is_message and field.message_type.GetOptions().map_entry:
            _damage_map(getattr(message, field.name), field, rng, depth)
        elif field.is_repeated:
            _damage_list(getattr(message, field.name), field, rng, depth)
        elif is_message:
            if depth < 6:
                damage(getattr(message, field.name), rng, depth + 1)
        elif rng.random() < 0.2:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, _value(field, rng))


def _damage_map(entries, field, rng: random.Random, depth: int) -> None:
    value = field.message_type.fields_by_name["value"]
    if field.message_type.fields_by_name["key"].cpp_type != FieldDescriptor.CPPTYPE_STRING:
        return
    key = rng.choice(sorted(entries) or ["x"]) if rng.random() < 0.7 else rng.choice(WORDS)
    if rng.random() < 0.1:
        entries.pop(key, None)
    elif value.message_type is None:
        entries[key] = _value(value, rng)
    elif depth < 6:
        damage(entries[key], rng, depth + 1)


def _damage_list(values, field, rng: random.Random, depth: int) -> None:
    at = rng.randrange(len(values)) if len(values) else None
    if at is not None and rng.random() < 0.2:
        del values[at]
    elif field.message_type is not None:
        if depth < 6:
            there = at is not None and rng.random() < 0.7
            damage(values[at] if there else values.add(), rng, depth + 1)
    elif at is not None and rng.random() < 0.5:
        values[at] = _value(field, rng)
    else:
        values.extend([_value(field, rng)] * rng.choice((1, 1, 2, 40)))


def _value(field, rng: random.Random) -> Any:
    kind = field.cpp_type
    if kind in _RANGES:
        least, end = _RANGES[kind]
        return rng.choice([value for value in INTEGERS if least <= value < end])
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return rng.choice(FLOATS)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice([*(value.number for value in field.enum_type.values), 99, 101, 1000])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 1, 3, 4, 12)))
    return rng.choice(WORDS)


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Inserts, replaces, repeats or cuts off bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        way = rng.randrange(4)
        if not changed or way == 0:
            changed.insert(rng.randrange(len(changed) + 1), rng.randrange(256))
            continue
        at = rng.randrange(len(changed))
        if way == 1:
            changed[at] = rng.randrange(256)
        elif way == 2:
            del changed[at:]
        else:
            changed[at:at] = changed[at : at + rng.randrange(1, 9)]
    return bytes(changed)


def damaged_json(value: Any, rng: random.Random) -> Any:
    """The value with one part of it replaced, renamed or removed."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.2:
        return rng.choice((*JSON, *INTEGERS, *WORDS))
    changed = value.copy()
    key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
    way = rng.random()
    if way < 0.15:
        del changed[key]
    elif way < 0.3 and isinstance(value, dict):
        changed[rng.choice(WORDS)] = changed.pop(key)
    else:
        changed[key] = damaged_json(value[key], rng)
    return changed
