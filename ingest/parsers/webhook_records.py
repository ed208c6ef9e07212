"""Where the records are in what a mail provider posts: an array, an object around an array, lines, or a form.

Each event keeps the exact bytes in which it came; nothing is written anew.
"""

from collections.abc import Callable, Iterator, Mapping

from ingest.parsers.json_records import json_records
from ingest.parsers.json_walk import unwrapped
from ingest.parsers.records import KEPT, Feed, Oversize

Splitter = Callable[[Feed, int], Iterator[bytes | Oversize]]

_DASH = ord("-")


def wrapped_records(name: str) -> Splitter:
    """JSON records; an object whose `name` holds an array of objects is replaced by them."""
    return lambda feed, limit: unwrapped(json_records(feed, limit), {name})


def mailgun_records(feed: Feed, limit: int) -> Iterator[bytes | Oversize]:
    """Mailgun: JSON or URL-encoded forms, a line each, or one form in parts, which is the whole stream."""
    if feed.peek() != _DASH:
        yield from wrapped_records("items")(feed, limit)
        return
    while len(feed.held) <= limit and feed.more():
        pass
    if len(feed.held) <= limit:
        yield feed.take(len(feed.held))
        return
    head = feed.take(KEPT)
    feed.held.clear()
    while feed.more():
        feed.held.clear()
    yield Oversize(head=head, limit=limit)


WEBHOOK_SPLITTERS: Mapping[str, Splitter] = {
    "sendgrid": json_records,
    "mailgun": mailgun_records,
    "ses": wrapped_records("Records"),
    "postmark": json_records,
    "brevo": wrapped_records("items"),
    "mailjet": json_records,
    "mailersend": json_records,
    "resend": json_records,
    "mailtrap": wrapped_records("events"),
}
"""For every provider, where one record ends."""
