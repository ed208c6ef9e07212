"""How long to wait before a delivery is tried again. Pure.

The steps are those the Standard Webhooks specification recommends for senders, about three days in all; jitter keeps a receiver
that comes back from being met by everything at once.
"""

from datetime import timedelta

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.2
LONGEST_ASKED = timedelta(hours=24)


def wait_after(attempts: int, *, chance: float, asked: timedelta | None = None) -> timedelta | None:
    """The wait after this many failed attempts (1 is the first), or None when there were enough.

    `chance` in [0, 1) lengthens it by up to a fifth. `asked` is the receiver's Retry-After: honoured up to a day, never shortening.
    """
    if attempts > len(WAITS):
        return None
    wait = WAITS[attempts - 1] * (1 + JITTER * chance)
    return max(wait, min(asked, LONGEST_ASKED)) if asked else wait
