"""What Mailgun posted before 2018, and still posts from routes: fields of a form, URL-encoded or in parts (RFC 7578).

The sender's own variables stand among Mailgun's fields. Where a name comes twice, the first is Mailgun's, except for
`timestamp`, `token` and `signature`, where it is the last.
"""

import re
from collections.abc import Mapping, Sequence
from email.parser import BytesParser
from itertools import islice
from urllib.parse import parse_qsl

from ingest.parsers.addresses import ip_of
from ingest.parsers.webhook_events import ACCEPTED, DROPPED, Meaning, Told, meaning_of
from ingest.parsers.webhook_values import address, addresses, bare_id, header, json_text, place, reply, text, word_of, words

SIGNED = ("timestamp", "token", "signature")

_FORM = re.compile(rb"[A-Za-z0-9_.%+*-]{1,128}=[^\s{}\[\]\"]*\s*")
_BOUNDARY = re.compile(rb"--(?P<mark>[^\r\n]{1,200}?)[ \t]*\r?\n")
_MOST_FIELDS = 1_000
_PART_BYTES = 64 * 1024
_MOST_PARTS = 4_000
_HEAD_BYTES = 4 * 1024
_MOST_PARAMETERS = 16
_LINE_END = re.compile(rb"\A\r?\n")
_BLANK_LINE = re.compile(rb"(?:\A|\r?\n)\r?\n")
_SUPPRESSED = frozenset({"605", "606", "607"})


def form_of(record: bytes) -> Mapping[str, object] | None:
    """The fields of a form, each a list where it comes more than once; None where the record is no form."""
    if record[:1] in (b"{", b"["):
        return None
    if (found := _BOUNDARY.match(record)) is not None:
        pairs = _parts(record, found["mark"])
    elif _FORM.fullmatch(record):
        try:
            pairs = parse_qsl(record.decode().strip(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:  # not UTF-8, or too many fields
            return None
    else:
        return None
    fields: dict[str, object] = {}
    for name, value in pairs:
        earlier = fields.get(name)
        fields[name] = value if earlier is None else [*(earlier if isinstance(earlier, list) else [earlier]), value]
    return fields or None


def signed_fields(fields: Mapping[str, object]) -> tuple[str, str, str] | None:
    """Timestamp, token and signature of a form."""
    found = [text(_last(fields.get(name))) for name in SIGNED]
    timestamp, token, signature = found
    return (timestamp, token, signature) if timestamp and token and signature else None


def legacy(fields: Mapping[str, object], meanings: Mapping[str, Meaning]) -> Told:
    """What a form says. One without `event` is mail that a route passed on."""
    first = {name: _first(value) for name, value in fields.items()}
    word = word_of(first.get("event"))
    headers = json_text(first.get("message-headers"))
    named: Sequence[object] = headers if isinstance(headers, list) else []
    answer = text(first.get("error")) or text(first.get("notification"))
    code = text(first.get("code"))
    ip = ip_of(text(first.get("ip")))
    meaning = ACCEPTED if word is None else meaning_of(word, meanings)
    sender = address(first.get("sender")) or address(first.get("from")) or next(iter(header(named, "from")), None)
    facts: dict[str, object] = {
        "message_id": bare_id(first.get("Message-Id") or first.get("message-id")) or bare_id(_one(named, "message-id")),
        "subject": text(first.get("subject")) or _one(named, "subject"),
        "direction": "inbound" if word is None else "outbound",
        **reply(answer, code=code),
        "reason": answer or text(first.get("description")) or text(first.get("reason")),
        "description": text(first.get("description")),
        "category": text(first.get("reason")),
        "suppressed": True if meaning == DROPPED and code in _SUPPRESSED else None,
        "client_ip": ip,
        "tags": words(fields.get("tag")) or words(fields.get("X-Mailgun-Tag")),
        "metadata": _variables(named),
        "user_agent": text(first.get("user-agent")),
        "client": text(first.get("client-name")),
        "client_type": text(first.get("client-type")),
        "client_os": text(first.get("client-os")),
        "device_type": text(first.get("device-type")),
        "campaign": text(first.get("campaign-name")),
        "url": text(first.get("url")),
        "mailing_list": text(first.get("mailing-list")),
        "sending_domain": text(first.get("domain")),
    }
    return Told(
        word=word or "route",
        meaning=meaning,
        content={name: value for name, value in fields.items() if name not in ("token", "signature")},
        times=(_last(fields.get("timestamp")),),
        to=addresses(first.get("recipient")),
        sender=address(sender),
        facts=facts,
        ip=ip,
        geo=place(first.get("country"), first.get("city")),
    )


def _variables(headers: Sequence[object]) -> dict[str, object]:
    found = (json_text(value) for value in header(headers, "x-mailgun-variables"))
    return {name: value for one in found if isinstance(one, dict) for name, value in one.items()}


def _one(headers: Sequence[object], name: str) -> str | None:
    return next(iter(header(headers, name)), None)


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _last(value: object) -> object:
    return value[-1] if isinstance(value, list) and value else value


def _parts(record: bytes, mark: bytes) -> list[tuple[str, str]]:
    """Names and values of the parts that are no files; attachments stay in the record (RFC 2046 §5.1.1, RFC 7578)."""
    bounds = re.compile(rb"(?:\A|\r?\n)--" + re.escape(mark) + rb"(?P<last>--)?[ \t]*(?=\r?\n|\Z)")
    marks = list(islice(bounds.finditer(record), _MOST_PARTS))
    pairs: list[tuple[str, str]] = []
    for number, found in enumerate(marks):
        if found["last"] or len(pairs) >= _MOST_FIELDS:
            break
        end = marks[number + 1].start() if number + 1 < len(marks) else len(record)
        pair = _part(_LINE_END.sub(b"", record[found.end() : end], count=1))
        if pair is not None:
            pairs.append(pair)
    return pairs


def _part(content: bytes) -> tuple[str, str] | None:
    """
    Name and value of a part; None where it is a file, has no name, or is larger than a field.

    A header with more parameters than any has is not read: the standard library takes quadratic time over them.
    """
    head = _BLANK_LINE.split(content, 1)[0]
    if len(content) > 4 * _PART_BYTES or len(head) > _HEAD_BYTES or head.count(b";") > _MOST_PARAMETERS:
        return None
    try:
        part = BytesParser().parsebytes(content, headersonly=True)
        name = part.get_param("name", header="content-disposition")
        value = None if part.get_filename() else part.get_payload(decode=True)
    except (ValueError, LookupError, RecursionError):
        return None
    if not isinstance(name, str) or not isinstance(value, bytes) or len(value) > _PART_BYTES:
        return None
    return name, value.decode(errors="replace")
