"""The bytes of an audit message as a tree, safely: no document type, no entity, no network, bounded depth.

Attribute names are taken without their case and namespace, because the RFC 3881 and the DICOM schema, and the senders between
them, differ in just that.
"""

import re
from collections.abc import Iterator, Mapping

from lxml import etree

from domain.errors import InvalidInput

_XML_START = re.compile(rb"<[?!A-Za-z]")
_DECLARATION = re.compile(r"<\?xml\b[^<>]*?\?>", re.IGNORECASE)
_ENCODING = re.compile(rb"""\s*<\?xml\b[^<>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ASCII_NAMES = frozenset({"ascii", "us-ascii"})
_ENCODINGS = frozenset({"utf-8", "utf8", *_ASCII_NAMES, "iso-8859-1", "iso-8859-15", "windows-1252"})


def split_header(record: bytes) -> tuple[bytes, bytes]:
    """What stands before the XML (a syslog header, a byte order mark, nothing), and the XML. Raises InvalidInput without XML."""
    if record.startswith(_UTF16_MARKS):
        return b"", record
    start = _XML_START.search(record)
    if start is None:
        raise InvalidInput("the record holds no XML")
    return record[: start.start()], record[start.start() :].rstrip(b"\x00 \t\r\n")


def audit_message(document: bytes) -> etree._Element:
    """The AuditMessage element. Raises InvalidInput for a document type, bad encoding or form, or another root."""
    text = _decoded(document)
    if _DOCTYPE.search(text):
        raise InvalidInput("the XML declares a document type or entity, which is refused")
    body = _DECLARATION.sub("", text, count=1)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body.encode(), parser)
    except etree.XMLSyntaxError as error:
        if "depth" in str(error.msg).lower():
            raise InvalidInput("the XML is nested too deep") from None
        raise InvalidInput(f"the XML is not well-formed (line {error.lineno})") from None
    if local_name(root) != "AuditMessage":
        raise InvalidInput("the root element is not AuditMessage")
    return root


def _decoded(document: bytes) -> str:
    declared = _ENCODING.match(document)
    encoding = declared[1].decode().lower() if declared else "utf-8"
    if document.startswith(_UTF16_MARKS):
        encoding = "utf-16"
    elif encoding not in _ENCODINGS:
        raise InvalidInput("the XML declares an encoding that is not read")
    elif encoding in _ASCII_NAMES:
        encoding = "utf-8"  # the wider one, because senders declare ASCII and write names
    try:
        return document.decode(encoding)
    except UnicodeDecodeError as invalid:
        raise InvalidInput(f"the XML is not valid {encoding.upper()} (byte {invalid.start})") from None


def local_name(element: etree._Element) -> str:
    """The tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


def attributes(element: etree._Element) -> Mapping[str, str]:
    """Attributes that have a value, by lower-case name."""
    return {str(name).rpartition("}")[2].lower(): value for name, raw in element.attrib.items() if (value := str(raw).strip())}


def children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """The child elements of that name."""
    return (child for child in element if local_name(child) == name)
