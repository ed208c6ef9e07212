"""Mail providers as they post: real keys, real signatures, synthetic mail."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from domain.clock import Clock
from domain.errors import DeliveryError

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
SUBSCRIBE_URL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=t&Token=abc"


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class SendGrid:
    """Signs timestamp and body on P-256."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """The key as SendGrid shows it."""
        encoding, kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return base64.b64encode(self._key.public_key().public_bytes(encoding, kind)).decode()

    def post(self, *events: Mapping[str, object], late: timedelta = timedelta(0)) -> Post:
        """An array of events, signed `late` ago."""
        return self.signed(json.dumps(events).encode(), late=late)

    def signed(self, body: bytes, *, late: timedelta = timedelta(0)) -> Post:
        """A body with its headers."""
        timestamp = str(int((self._clock() - late).timestamp()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return Post(
            body,
            {
                "Content-Type": "application/json",
                "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
                "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
            },
        )


class Mailgun:
    """Signs timestamp and token, and puts them into the body."""

    def __init__(self, clock: Clock, key: str) -> None:
        self._clock = clock
        self._key = key.encode()
        self._number = 0

    def block(self, *, token: str = "", late: timedelta = timedelta(0)) -> dict[str, str]:
        """Timestamp, token and signature."""
        self._number += 1
        token = token or f"{self._number:050x}"
        timestamp = str(int((self._clock() - late).timestamp()))
        signature = hmac.new(self._key, f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
        return {"timestamp": timestamp, "token": token, "signature": signature}

    def post(self, data: Mapping[str, object], *, token: str = "", late: timedelta = timedelta(0)) -> Post:
        """An event in JSON."""
        body = {"signature": self.block(token=token, late=late), "event-data": data}
        return Post(json.dumps(body).encode(), {"Content-Type": "application/json"})

    def form(self, fields: Mapping[str, str]) -> Post:
        """A form as before 2018."""
        body = urlencode({**fields, **self.block()}).encode()
        return Post(body, {"Content-Type": "application/x-www-form-urlencoded"})

    def parts(self, fields: Mapping[str, str]) -> Post:
        """A form in parts, with an attachment."""
        mark = "0f1e2d3c"
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
        parts += [
            f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in self.block().items()
        ]
        parts.append(
            f'--{mark}\r\nContent-Disposition: form-data; name="attachment-1"; filename="a.txt"\r\n\r\ntoken=x\r\n--{mark}--\r\n'
        )
        return Post("".join(parts).encode(), {"Content-Type": f"multipart/form-data; boundary={mark}"})


class Resend:
    """Signs id, timestamp and body, as Svix does."""

    def __init__(self, clock: Clock, key: bytes) -> None:
        self._clock = clock
        self._key = key

    @property
    def secret(self) -> str:
        """The secret as Resend shows it."""
        return f"whsec_{base64.b64encode(self._key).decode()}"

    def post(self, event: Mapping[str, object], *, late: timedelta = timedelta(0), name: str = "msg_1", before: str = "") -> Post:
        """An event; `before` are other signatures in front of the right one."""
        body = json.dumps(event).encode()
        timestamp = str(int((self._clock() - late).timestamp()))
        mac = hmac.new(self._key, f"{name}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json",
            "svix-id": name,
            "svix-timestamp": timestamp,
            "svix-signature": f"{before}v1,{base64.b64encode(mac).decode()}",
        }
        return Post(body, headers)


def hex_signed(header: str, key: str, event: object) -> Post:
    """What MailerSend and Mailtrap post."""
    body = json.dumps(event).encode()
    return Post(body, {"Content-Type": "application/json", header: hmac.new(key.encode(), body, hashlib.sha256).hexdigest()})


def basic(user: str, password: str) -> dict[str, str]:
    """HTTP basic authentication."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


class Sns:
    """Amazon SNS: signs messages, and has the certificate where it says. Counts what is fetched."""

    def __init__(self, clock: Clock, *, valid: timedelta = timedelta(days=300)) -> None:
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._valid = valid
        self.fetched: list[str] = []
        self.away = False

    def fetch(self, url: str) -> bytes:
        """What is at an address."""
        self.fetched.append(url)
        if self.away:
            raise DeliveryError("the address cannot be reached")
        return self._certificate() if url.endswith(".pem") else b"<ConfirmSubscriptionResponse/>"

    def post(self, event: object, **changes: str) -> Post:
        """A notification. `changes` are made before it is signed."""
        message = {
            "Type": "Notification",
            "MessageId": "11111111-2222-3333-4444-555555555555",
            "TopicArn": TOPIC,
            "Message": json.dumps(event),
            "Timestamp": self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        return self.signed({**message, **changes}, ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"))

    def subscription(self, kind: str = "SubscriptionConfirmation", **changes: str) -> Post:
        """The message that asks to confirm a subscription, or says that one ended."""
        message = {
            "Type": kind,
            "MessageId": "99999999-2222-3333-4444-555555555555",
            "Token": "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92",
            "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe to the topic.",
            "SubscribeURL": SUBSCRIBE_URL,
            "Timestamp": self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        return self.signed({**message, **changes}, names)

    def signed(self, message: Mapping[str, str], names: tuple[str, ...]) -> Post:
        """A message with its signature; `SignatureVersion` and `SigningCertURL` are as given, else version 2 and the right one."""
        version = message.get("SignatureVersion", "2")
        text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        whole = {
            "SigningCertURL": CERTIFICATE_URL,
            **message,
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
        }
        return Post(json.dumps(whole).encode(), {"Content-Type": "text/plain; charset=UTF-8"})

    def _certificate(self) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        start: datetime = self._clock() - timedelta(days=10)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(start)
            .not_valid_after(start + self._valid)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)
