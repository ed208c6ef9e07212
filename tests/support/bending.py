"""Records bent a little, the same way for the same seed: what a property test of a parser feeds it beside arbitrary bytes."""

import random
from collections.abc import Sequence


def bent_export(content: bytes, seed: int) -> bytes:
    """One to five places of an export, of up to five bytes each, replaced by up to two others."""
    rng, out = random.Random(seed), bytearray(content)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(out))
        out[at : at + rng.randint(0, 5)] = rng.randbytes(rng.randint(0, 2))
    return bytes(out)


def bent_line(record: bytes, seed: int, marks: Sequence[bytes]) -> bytes:
    """One to six changes to a line: one of the `marks` of its format in place of a byte, a piece left out, a piece doubled."""
    rng, bent = random.Random(seed), bytearray(record)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(bent) or 1)
        match rng.randrange(3):
            case 0:
                bent[at : at + 1] = rng.choice([*marks, rng.randbytes(1)])
            case 1:
                del bent[at : at + rng.randint(1, 30)]
            case _:
                bent[at:at] = bent[at : at + 30]
    return bytes(bent)
