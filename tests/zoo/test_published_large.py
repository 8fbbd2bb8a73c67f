"""A pickle as large as the published StyleGAN2 of 1024 px: what its conversion costs."""

import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

import zoo
from tests.zoo.core.readers import files

RESOLUTIONS = [4 << i for i in range(9)]
MAPS = {r: min(32768 // r, 512) for r in RESOLUTIONS}


def generator() -> dict[str, tuple[int, ...]]:
    """Names and shapes of G of stylegan2-ada-pytorch, configuration F at 1024 px."""
    shapes: dict[str, tuple[int, ...]] = {"synthesis.b4.const": (512, 4, 4)}
    for i in range(8):
        shapes |= {f"mapping.fc{i}.weight": (512, 512), f"mapping.fc{i}.bias": (512,)}
    shapes["mapping.w_avg"] = (512,)
    for r in RESOLUTIONS:
        before = MAPS[r // 2] if r > 4 else 512
        layers = {"conv1": MAPS[r]} if r == 4 else {"conv0": before, "conv1": MAPS[r]}
        for name, ins in layers.items():
            at = f"synthesis.b{r}.{name}"
            shapes |= {
                f"{at}.weight": (MAPS[r], ins, 3, 3),
                f"{at}.bias": (MAPS[r],),
                f"{at}.noise_strength": (),
                f"{at}.noise_const": (r, r),
                f"{at}.affine.weight": (ins, 512),
                f"{at}.affine.bias": (ins,),
            }
        at = f"synthesis.b{r}.torgb"
        shapes |= {f"{at}.weight": (3, MAPS[r], 1, 1), f"{at}.bias": (3,)}
        shapes |= {f"{at}.affine.weight": (MAPS[r], 512), f"{at}.affine.bias": (MAPS[r],)}
    return shapes


def discriminator() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "b1024.fromrgb.weight": (MAPS[1024], 3, 1, 1),
        "b1024.fromrgb.bias": (MAPS[1024],),
        "b4.conv.weight": (512, 513, 3, 3),
        "b4.conv.bias": (512,),
        "b4.fc.weight": (512, 512 * 16),
        "b4.fc.bias": (512,),
        "b4.out.weight": (1, 512),
        "b4.out.bias": (1,),
    }
    for r in RESOLUTIONS[1:]:
        after = MAPS[r // 2]
        shapes |= {f"b{r}.conv0.weight": (MAPS[r], MAPS[r], 3, 3), f"b{r}.conv0.bias": (MAPS[r],)}
        shapes |= {f"b{r}.conv1.weight": (after, MAPS[r], 3, 3), f"b{r}.conv1.bias": (after,)}
        shapes |= {f"b{r}.skip.weight": (after, MAPS[r], 1, 1)}
    return shapes


def module(shapes: dict[str, tuple[int, ...]], random: np.random.Generator, **own: bytes) -> bytes:
    """A persistent module with its modules, as a pickle has it."""
    arrays, inner = {}, {}
    for path, shape in shapes.items():
        first, _, rest = path.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = shape
        else:
            arrays[first] = tensor(random.standard_normal(shape, np.float32) / 10)
    if "conv0.weight" in shapes or "conv1.weight" in shapes:
        own["architecture"] = files.text("resnet" if "skip.weight" in shapes else "skip")
    if "weight" in shapes and len(shapes["weight"]) == 4:
        own["conv_clamp"] = files.integer(256)
    children = {name: module(each, random) for name, each in inner.items()}
    if "fc.weight" in shapes:
        std = {"group_size": files.integer(4), "num_channels": files.integer(1)}
        children["mbstd"] = module({}, random, **std)
    state = {
        "_parameters": files.dictionary(arrays),
        "_buffers": b"}",
        "_modules": files.dictionary(children),
        **own,
    }
    meta = {
        "class_name": files.text("Module"),
        "module_src": files.text("raise SystemExit('it ran')"),
        "state": files.dictionary(state),
    }
    function = files.name("torch_utils.persistence", "_reconstruct_persistent_obj")
    return files.call(function, files.dictionary(meta))


def tensor(array: np.ndarray) -> bytes:
    count = array.size
    pid = b"(" + files.text("storage") + files.name("torch", "FloatStorage") + files.text("0")
    pid += files.text("cpu") + files.integer(count) + b"NtQ"
    data = files.legacy(files.pickled(pid), {"0": (count, array.tobytes())})
    nested = files.call(
        files.name("torch.storage", "_load_from_bytes"), b"B" + struct.pack("<I", len(data)) + data
    )
    strides = [stride // 4 for stride in array.strides]
    return files.call(
        files.name("torch._utils", "_rebuild_tensor_v2"),
        nested,
        files.integer(0),
        files.integers(array.shape),
        files.integers(strides),
        b"\x89",
        files.call(files.name("collections", "OrderedDict")),
    )


# Runs a command from a small process: at its start a process has the peak of the one it came from.
MEASURED = """
import json, resource, subprocess, sys, time
begun = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
used = usage.ru_utime + usage.ru_stime
print(json.dumps([time.monotonic() - begun, used, usage.ru_maxrss / 2**20]))
"""


@pytest.mark.slow
def test_a_pickle_of_1024_px(tmp_path: pathlib.Path) -> None:
    random = np.random.default_rng(0)
    numbers = {"img_resolution": 1024, "img_channels": 3, "c_dim": 0, "z_dim": 512, "w_dim": 512}
    own = {name: files.integer(value) for name, value in numbers.items()}
    content = {
        "G_ema": module(generator(), random, **own),
        "D": module(discriminator(), random),
    }
    (tmp_path / "x.pkl").write_bytes(files.pickled(files.dictionary(content)))
    size = (tmp_path / "x.pkl").stat().st_size
    del content
    assert 225 << 20 < size < 245 << 20
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "zoo", "convert", "x.pkl", "--to=x"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(zoo.__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall, seconds, gigabytes = json.loads(done.stdout.splitlines()[-1])
    print(f"{size >> 20} MiB: {wall:.1f} s, {seconds:.1f} s of CPU, {gigabytes:.2f} GiB")
    assert seconds < 20.0
    assert gigabytes < 2.0
    card = json.loads((tmp_path / "x" / "card.json").read_text())
    assert card["parameters"] == {"generator": 30_370_060, "discriminator": 29_012_513}
    assert "images of 1024 px take too long to draw" in card["converted_from"]["notes"][-1]
