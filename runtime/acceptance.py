"""A person's decision that an older store goes on: the anchor is moved back to it, and the spine says by what reason.

What was signed before stays signed: whoever holds the newer checkpoint can show that entries were lost, and how many.
"""

from domain.checkpoint import Head
from domain.clock import rfc3339
from domain.errors import IntegrityError
from runtime.node import Base
from store.spine import Spine, SpineEntry
from store.tail import stored_tail


def accept_store(base: Base, reason: str, *, salt: bytes) -> SpineEntry:
    """Move the anchor to what the store holds and commit a `policy` entry. Raises IntegrityError where nothing was ever signed."""
    abandoned = _newest_signed(base)
    tail = stored_tail(base.engine, base.settings.ledger.writer, base.signer.name)
    note = base.signer.sign(tail.spine.checkpoint) if tail.spine.size else ""
    base.anchor.accept(writer=base.settings.ledger.writer, seq=tail.seq, leaf=tail.leaf, spine=tail.spine, note=note)
    spine = Spine(base.engine, base.anchor, base.signer, base.clock, base.keys)
    decision = "store accepted behind its anchor"
    # The reason may name people: the spine, which anyone may read, has only its salted digest.
    digest = base.anchor.record_decision(at=rfc3339(base.clock()), decision=decision, salt=salt, reason=reason)
    return spine.append(
        "policy",
        {
            "decision": decision,
            "reason_digest": digest.hex(),
            "abandoned_size": abandoned.size,
            "abandoned_root": abandoned.root.hex(),
        },
    )


def _newest_signed(base: Base) -> Head:
    signed = base.anchor.spine_note()
    notes = [note for note in (signed and signed[1], base.anchor.copied_note(base.keys)) if note]
    if not notes:
        raise IntegrityError("nothing was signed here, so there is nothing to accept")
    heads = [base.keys.open(note) for note in notes]
    return max(heads, key=lambda head: head.size)
