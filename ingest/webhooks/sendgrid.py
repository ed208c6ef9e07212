"""SendGrid's Signed Event Webhook: ECDSA over P-256 with SHA-256, of the timestamp header followed by the body."""

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from domain.errors import ConfigError
from ingest.webhooks.check import Cause, HookRequest, Refused, Verdict
from ingest.webhooks.freshness import Freshness, signing_time

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

_ALGORITHM = ec.ECDSA(hashes.SHA256())


class SendGridCheck:
    """Holds the verification keys that SendGrid shows in its settings, of several webhooks or while one replaces another."""

    needs_body = True

    def __init__(self, keys: Sequence[ec.EllipticCurvePublicKey], freshness: Freshness) -> None:
        self._keys = keys
        self._freshness = freshness

    def __call__(self, request: HookRequest) -> Verdict:
        """See Check."""
        encoded, timestamp = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
        if not encoded or not timestamp:
            raise Refused(Cause.UNSIGNED)
        signed_at = signing_time(timestamp)
        try:
            signature = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise Refused(Cause.BAD_SIGNATURE) from None
        signed = timestamp.encode() + request.body
        if not any(_is_of(key, signature, signed) for key in self._keys):
            raise Refused(Cause.BAD_SIGNATURE)
        # An ECDSA signature can be written in a second way; what it is over cannot.
        self._freshness.admit(signed, signed_at, request.body)
        return Verdict.STORE


def verification_key(text: str) -> ec.EllipticCurvePublicKey:
    """A key as SendGrid gives it (base64 of the DER) or as PEM. Raises ConfigError."""
    try:
        pem = text.lstrip().startswith("-----BEGIN")
        key = load_pem_public_key(text.encode()) if pem else load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ConfigError("the verification key of SendGrid is no public key on P-256; copy it from SendGrid's settings again")
    return key


def _is_of(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, _ALGORITHM)
    except InvalidSignature:
        return False
    return True
