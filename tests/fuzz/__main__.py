"""Changes files at random and tries every door with them, so many seconds each; exit 1 and the file kept
where one does anything but read or refuse.

    make fuzz FUZZ="--seconds 600 --only checkpoint"
    make fuzz FUZZ="--atheris"     # guided by coverage, where the package atheris is installed
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

INSTRUMENTED = ["reportgen.recipe", "reportgen.inputs", "reportgen.report.render", "yaml", "pickletools"]
if "--atheris" in sys.argv:  # what is not instrumented as it is imported gives no coverage
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from fuzz.doors import Door, doors, refuses, without_a_child
else:
    from fuzz.doors import Door, doors, refuses, without_a_child

LARGEST = 1 << 16  # bytes of a changed file


def changed(draw: random.Random, seeds: list[bytes]) -> bytes:
    """A file with some bytes turned, cut out, doubled or taken from another."""
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at, size = draw.randrange(len(data)), draw.choice((1, 1, 2, 4, 8, 64))
        how = draw.randrange(6)
        if how <= 1:
            data[at] ^= 1 << draw.randrange(8)
        elif how == 2:
            data[at : at + size] = draw.choice((b"\0", b"\xff", b"\x7f", b"9")) * size
        elif how == 3:
            del data[at : at + size]
        elif how == 4:
            data[at:at] = data[at : at + size] * draw.choice((1, 2, 50))
        else:
            other = draw.choice(seeds)
            start = draw.randrange(max(1, len(other)))
            data[at : at + size] = other[start : start + size]
    return bytes(data[:LARGEST])


def fuzzed(name: str, door: Door, seconds: float, seed: int) -> bool:
    """Whether nothing was found; says how many files were tried and what was found."""
    draw, found, counts, until = random.Random(seed), set[str](), [0, 0], time.monotonic() + seconds
    slowest = 0.0
    while time.monotonic() < until:
        data = changed(draw, door.seeds)
        began = time.process_time()
        try:
            counts[refuses(door, data)] += 1
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
            if told not in found:
                found.add(told)
                kept = Path(f"found-{name}-{hashlib.sha256(data).hexdigest()[:12]}")
                kept.write_bytes(data)
                print(f"{name}: {told}: {' '.join(str(error).split())[:200]} (kept as {kept})", flush=True)
        slowest = max(slowest, time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{name}: {sum(counts):,} files in {seconds:.0f} s, {counts[0]:,} read, {counts[1]:,} refused,"
          f" {len(found)} finds; slowest {slowest:.2f} s, peak {peak:,.0f} MB", flush=True)  # fmt: skip
    return not found


def guided(name: str, door: Door, seconds: float) -> None:
    """The same, guided by coverage. Ends the process."""
    corpus = Path(f".fuzz-{name}")
    corpus.mkdir(exist_ok=True)
    for seed in door.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed[:LARGEST])
    options = [f"-max_total_time={seconds:.0f}", f"-max_len={LARGEST}", "-rss_limit_mb=4096", str(corpus)]
    atheris.Setup([sys.argv[0], *options], lambda data: refuses(door, data))
    atheris.Fuzz()


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seconds", type=float, default=600)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", choices=["checkpoint", "image", "recipe", "theme"])
    asked.add_argument("--atheris", action="store_true")
    said = asked.parse_args()
    warnings.simplefilter("ignore")
    chosen = {name: door for name, door in doors().items() if said.only in (None, name)}
    with without_a_child():
        if said.atheris:
            (name, door) = next(iter(chosen.items()))
            guided(name, door, said.seconds)
        return int(sum(not fuzzed(name, door, said.seconds, said.seed) for name, door in chosen.items()) > 0)


if __name__ == "__main__":
    sys.exit(main())
