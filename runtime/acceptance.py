"""A person's decision that an older store goes on: the anchor is moved back to it, and the spine says by what reason.

What was signed before stays signed: whoever holds the newer checkpoint can show that entries were lost, and how many.
"""

from domain.checkpoint import Head, parse_checkpoint
from domain.errors import IntegrityError
from domain.note import open_note
from runtime.node import Base
from store.spine import Spine, SpineEntry
from store.tail import stored_tail


def accept_store(base: Base, reason: str) -> SpineEntry:
    """Move the anchor to what the store holds and commit a `policy` entry. Raises IntegrityError where nothing was ever signed."""
    abandoned = _newest_signed(base)
    tail = stored_tail(base.engine, base.settings.ledger.writer, base.signer.name)
    note = base.signer.sign(tail.spine.checkpoint) if tail.spine.size else ""
    base.anchor.accept(writer=base.settings.ledger.writer, seq=tail.seq, leaf=tail.leaf, spine=tail.spine, note=note)
    spine = Spine(base.engine, base.anchor, base.signer, base.clock)
    return spine.append(
        "policy",
        {
            "decision": "store accepted behind its anchor",
            "reason": reason,
            "abandoned_size": abandoned.size,
            "abandoned_root": abandoned.root.hex(),
        },
    )


def _newest_signed(base: Base) -> Head:
    signed = base.anchor.spine_note()
    notes = [note for note in (signed and signed[1], base.anchor.copied_note(base.signer.name, base.signer.verifier)) if note]
    if not notes:
        raise IntegrityError("nothing was signed here, so there is nothing to accept")
    heads = [parse_checkpoint(open_note(note, [base.signer.verifier]).text) for note in notes]
    return max(heads, key=lambda head: head.size)
