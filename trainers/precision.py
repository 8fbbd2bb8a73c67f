"""Number type of a run, and the devices on which half precision is faster.

Measured: bfloat16 trains 1.2 to 1.6 times as fast as float32 on a CPU with AVX512-BF16 or AMX, and
1.7 times slower on one without.
"""

import pathlib
import sys

# Flags of CPUs that multiply matrices in a type; other CPUs convert to float32 and back.
CPU_FLAGS = {
    "bfloat16": ("avx512_bf16", "amx_bf16"),
    "float16": ("avx512_fp16", "amx_fp16"),
}
# From this compute capability on, a GPU has tensor cores for bfloat16.
CAPABILITY = 8


def choose() -> tuple[str | None, str]:
    """("bfloat16", or None for float32; the reason) for the devices of this machine."""
    capabilities = gpu_capabilities()
    if capabilities:
        lowest = min(capabilities)
        shown = ".".join(map(str, lowest)) if lowest > (0, 0) else "unknown"
        if lowest >= (CAPABILITY, 0):
            return "bfloat16", f"the GPU's compute capability is {shown}"
        return None, f"the GPU's compute capability is {shown}, not {CAPABILITY}.0 or more"
    found = [flag for flag in CPU_FLAGS["bfloat16"] if flag in cpu_flags()]
    if found:
        return "bfloat16", f"the CPU has {' and '.join(found)}"
    return None, f"the CPU has neither {' nor '.join(CPU_FLAGS['bfloat16'])}"


def warn_if_slow(mixed: str | None) -> None:
    """Prints a warning if float32 is faster on this machine."""
    if mixed and not gpu_capabilities() and not cpu_flags().intersection(CPU_FLAGS[mixed]):
        print(
            f"warning: this CPU computes faster in float32 than in {mixed}, since it has neither "
            f"{' nor '.join(CPU_FLAGS[mixed])}",
            file=sys.stderr,
        )


def cpu_flags() -> frozenset[str]:
    """Feature flags of this machine's CPU, in Linux's names; empty on other systems."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    return frozenset(
        next((value for name, _, value in lines if name.strip() == "flags"), "").split()
    )


def gpu_capabilities() -> list[tuple[int, int]]:
    """Compute capability of each GPU; (0, 0) if unknown."""
    import tensorflow as tf

    return [
        tf.config.experimental.get_device_details(gpu).get("compute_capability") or (0, 0)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
