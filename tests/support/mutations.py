"""Damage done to records as wires, programs and attackers do it: deterministic, from a source of chance that is passed in.

`mutated` takes one record or one file of records and gives other bytes. What it draws on: bytes (flip, cut, drop, double, NUL,
broken UTF-8, other encodings, packing), tokens (swap, double, drop, edge values), JSON (fields lost, of another type, wrapped,
nested deep, copied, renamed, said twice), length (one field, one separator or one piece repeated up to 1 MB), and pieces of other
formats (lines, headers, halves).
"""

import base64
import gzip
import json
import random
import re
from collections.abc import Callable, Sequence

LONGEST = 1 << 20
"""Bytes to which one field or one run of tokens may grow."""

DEEPEST = 3_000
"""Levels of nesting, beyond what any JSON reader follows."""

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]

_TOKEN = re.compile(rb"[^\s,;:=|\"'{}\[\]<>()]+")
_LINE = re.compile(rb"[^\n]*\n?")
_EDGES: tuple[bytes, ...] = (
    *(
        b"",
        b"-",
        b"0",
        b"-1",
        b"\0",
        b" ",
        b"\\",
        b'"',
        b"'",
        b"<",
        b"=",
        b"|",
        b"%",
        b"%00",
        b"\xff",
        b"\r",
        b"\t",
        b"null",
        b"true",
    ),
    *(
        b"NaN",
        b"Infinity",
        b"1e400",
        b"-0",
        b"18446744073709551616",
        b"9" * 40,
        b"9" * 5000,
        b"0x1F",
        b"1_000",
        b"\xd9\xa1\xd9\xa2",
    ),
    *(b"2026-02-30T25:61:61Z", b"0000-00-00T00:00:00Z", b"9999-12-31T23:59:60+23:59", b"0001-01-01T00:00:00+14:00", b"+99:99"),
    *(
        b"Feb 29 23:59:60",
        b"1969-12-31T23:59:59.999999999Z",
        b"253402300800",
        b"-62135596801",
        b"1772431201.999999999999",
        b"::1%eth0",
        b"::ffff:999.1.1.1",
    ),
    *(
        b"999.999.999.999",
        b"@",
        b"a@b@c",
        b"<>",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\u0000",
        b"&xxe;",
        b"<!DOCTYPE a [",
        b"]]>",
    ),
    *(
        b"CEF:0|",
        b"LEEF:2.0|",
        b"<34>1 ",
        b"%s%n",
        b"{{",
        b"}}",
        b"[" * 40,
        b"(" * 40,
        b"=?utf-8?q?=00?=",
        b"--",
        b"''",
        b"\xf0\x9f\x92\xa9",
    ),
)
_SCALARS: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        float("nan"),
        float("inf"),
        2**53,
        2**64,
        -(2**63) - 1,
        10**400,
        "",
        " ",
        "\0",
        "null",
        "0",
    ),
    *(
        "2026-02-30T25:61:61Z",
        "9999-12-31T23:59:59-23:59",
        "\ud800",
        "\U0001f4a9",
        "é" * 60,
        "x" * 600,
        "<script>",
        "a@b",
        "@",
        "::1",
        [],
        {},
    ),
    *(
        [None],
        [[]],
        [{}],
        {"": None},
        {"a": {"a": {}}},
        ["a", 1, None],
        "[]",
        "{}",
        '{"a":1}',
        "1772431201",
        1772431201,
        1e18,
        -1e18,
    ),
)
_RUNS: tuple[bytes, ...] = (
    *(
        b"a",
        b"9",
        b"\xc3\xa9",
        b" ",
        b"\t",
        b"\n",
        b"\0",
        b"/",
        b".",
        b"-",
        b"+",
        b"=",
        b",",
        b";",
        b":",
        b"|",
        b'"',
        b"'",
        b"\\",
        b"<",
        b">",
    ),
    *(b"[", b"(", b"{", b"}", b")", b"]", b"@", b"%", b"&", b"?", b"#", b"!", b"^", b"_", b"\xff"),
    *(
        b" \n",
        b"\r\n",
        b"a ",
        b"a=",
        b"a=b ",
        b"a,",
        b"a:",
        b"a.",
        b"1.",
        b"1:",
        b"a@",
        b"a/",
        b"a-",
        b"a\t",
        b"a|",
        b"\\\\",
        b'\\"',
        b'""',
        b'" ',
        b'",',
    ),
    *(
        b"<a>",
        b"</a>",
        b"<!",
        b"<?",
        b"&a;",
        b"[]",
        b"()",
        b"{}",
        b"{}[]",
        b"[1",
        b"%41",
        b"=?",
        b"--",
        b"\xef\xbb\xbf",
        b"\\u0000",
        b"id=<",
        b"to=<a>, ",
    ),
)
"""What a value, a gap or a separator may be when it never ends."""

_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-8-sig", "cp037", "utf-7")


def mutated(chance: random.Random, record: bytes, others: Sequence[bytes]) -> bytes:
    """The record with one to four things done to it, cut where it grows beyond 1 MB; `others` are records to take pieces from."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        record = _pick(chance)(chance, record, others)[: LONGEST + 64 * 1024]
    return record


# --- Bytes -----------------------------------------------------------------------------------------------------------------------


def _flip(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    bent = bytearray(record)
    for _n in range(chance.choice((1, 1, 2, 8))):
        if bent:
            bent[chance.randrange(len(bent))] ^= 1 << chance.randrange(8)
    return bytes(bent)


def _cut(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(record))
    return record[:at] if chance.random() < 0.8 else record[at:]


def _drop(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(record))
    return record[:at] + record[at + chance.randint(1, 40) :]


def _double(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(record))
    piece = record[at : at + chance.randint(1, 200)]
    return record[:at] + piece * chance.choice((1, 1, 3)) + record[at:]


def _insert(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(record))
    piece = chance.choice(
        (b"\0", b"\0" * 40, b"\xff\xfe", b"\xc3", b"\xed\xb0\x80", b"\xf8\x88\x80\x80\x80", b"\xef\xbb\xbf", b"\x1b[0m")
    )
    return record[:at] + piece + record[at:]


def _encode(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    return record.decode("utf-8", "replace").encode(chance.choice(_ENCODINGS), "replace")


def _pack(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    packed = gzip.compress(record, 1, mtime=0)
    return chance.choice((packed, packed[: len(packed) // 2], base64.b64encode(record), len(record).to_bytes(4, "big") + record))


# --- Tokens ----------------------------------------------------------------------------------------------------------------------


def _token(chance: random.Random, record: bytes) -> tuple[int, int]:
    found = _TOKEN.search(record, chance.randint(0, len(record))) or _TOKEN.search(record)
    return found.span() if found else (0, 0)


def _swap_tokens(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    (a, b), (c, d) = sorted((_token(chance, record), _token(chance, record)))
    return record if b > c else record[:a] + record[c:d] + record[b:c] + record[a:b] + record[d:]


def _edge_token(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    first, last = _token(chance, record)
    return record[:first] + chance.choice(_EDGES) + record[last:]


def _double_token(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    first, last = _token(chance, record)
    return record[:last] + record[first - 1 : last] * chance.choice((1, 2, 50)) + record[last:] if first else record * 2


# --- Length ----------------------------------------------------------------------------------------------------------------------


def _length(chance: random.Random) -> int:
    return chance.choices((1_000, 10_000, 100_000, LONGEST), (50, 30, 15, 5))[0]


def _long_run(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    """One letter or two over and over, in place of a token, behind it or anywhere: what a pattern tries twice shows here."""
    first, last = _token(chance, record)
    match chance.randrange(3):
        case 0:
            first = last
        case 1:
            first = last = chance.randint(0, len(record))
    letters = chance.choice(_RUNS)
    return record[:first] + letters * (_length(chance) // len(letters)) + record[last:]


def _repeat(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    """A short piece over and over: what is quadratic in some number of separators shows here."""
    at = chance.randint(0, len(record))
    piece = record[at : at + chance.randint(1, 40)] or b" "
    return record[:at] + piece * (_length(chance) // 4 // len(piece) + 1) + record[at:]


def _nest_bytes(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    at, levels = chance.randint(0, len(record)), chance.choice((20, 200, DEEPEST))
    opens, closes = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"<a>", b"</a>"), (b" \n ", b"")))
    return record[:at] + opens * levels + chance.choice((b"1", b"")) + closes * chance.choice((levels, 0)) + record[at:]


# --- JSON ------------------------------------------------------------------------------------------------------------------------


def _json(chance: random.Random, record: bytes, others: Sequence[bytes]) -> bytes:
    """One thing done to one value of a JSON document; lines of JSON are taken one at a time. Other bytes have a token swapped."""
    lines = _LINE.findall(record)
    at = chance.randrange(len(lines))
    for begin, end in ((at, at + 1), (0, len(lines))):
        text = b"".join(lines[begin:end])
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict | list) and document:
            changed = _written(chance, _changed(chance, document, others))
            return b"".join(lines[:begin]) + changed + (b"\n" if text.endswith(b"\n") else b"") + b"".join(lines[end:])
    return _swap_tokens(chance, record, others)


def _places(value: object) -> list[tuple[dict[str, object] | list[object], str | int]]:
    """Every place of a document as its holder and key."""
    found: list[tuple[dict[str, object] | list[object], str | int]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict):
            found += [(holder, key) for key in holder]
            waiting += holder.values()
        elif isinstance(holder, list):
            found += [(holder, number) for number in range(len(holder))]
            waiting += holder
    return found


def _changed(chance: random.Random, document: object, others: Sequence[bytes]) -> object:
    places = _places(document)
    holder, key = chance.choice(places)
    value = holder[key]  # type: ignore[index,call-overload]
    match chance.randrange(11):
        case 0:
            del holder[key]  # type: ignore[arg-type]
            return document
        case 1:
            put: object = _nested(chance, value, chance.choice((1, 2, 30, 40, 900, 1100)))
        case 2:
            put = chance.choice(("x", "é", "\0", "9", " ", "\\", "/a", "a b=")) * _length(chance)
        case 3:
            other, name = chance.choice(places)
            put = json.loads(json.dumps(other[name]))  # type: ignore[index,call-overload]
        case 4:
            put = json.dumps(value)
        case 5:
            put = [value] * chance.choice((2, 50, 1000))
        case 6:
            put = {f"{chance.choice(('k', 'é', ''))}{n}": value if n < 3 else n for n in range(chance.choice((2, 50, 5000)))}
        case 7 if isinstance(holder, dict):
            name = chance.choice(("", "\0", "naïve", "x" * 3000, str(key).upper(), str(key) + " ", "__class__", "$"))
            del holder[str(key)]
            holder[name] = value
            return document
        case 8:
            put = chance.choice(others).decode("utf-8", "replace")[:4000]
        case _:
            put = chance.choice(_SCALARS)
    holder[key] = put  # type: ignore[index,call-overload]
    return document


def _nested(chance: random.Random, value: object, levels: int) -> object:
    as_list = chance.random() < 0.5
    for _ in range(levels):
        value = [value] if as_list else {"a": value}
    return value


def _written(chance: random.Random, document: object) -> bytes:
    try:
        text = json.dumps(document, ensure_ascii=chance.random() < 0.5, separators=chance.choice(((",", ":"), (", ", ": "))))
    except RecursionError:
        return b"[" * DEEPEST + b"]" * DEEPEST
    return text.encode("utf-8", "surrogatepass")


def _said_twice(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    """A key that comes twice in an object, which JSON readers settle in different ways."""
    found = [*re.finditer(rb'("[^"\\]{1,60}"\s*:\s*)("[^"\\]*"|-?\d+|true|false|null|\{|\[)', record[:100_000])]
    if not found:
        return _double(chance, record, ())
    one = chance.choice(found)
    value = chance.choice((b"null", b'"x"', b"[]", b"{}", b"[[]]", b"0"))
    return record[: one.start()] + one[1] + value + b"," + record[one.start() :]


# --- Pieces of other records -----------------------------------------------------------------------------------------------------


def _splice(chance: random.Random, record: bytes, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)
    match chance.randrange(5):
        case 0:
            return record[: chance.randint(0, len(record))] + other[chance.randint(0, len(other)) :]
        case 1:
            return _LINE.findall(other)[0] + record
        case 2:
            lines = _LINE.findall(record)
            lines.insert(chance.randint(0, len(lines)), chance.choice(_LINE.findall(other)))
            return b"".join(lines)
        case 3:
            header = (
                *(b"<34>1 2026-03-02T12:00:00Z host app 12 - - ", b"<13>Mar  2 12:00:00 host app[12]: ", b"Mar  2 12:00:00 host "),
                *(
                    b"2026-03-02T12:00:00.123456+01:00 host postfix/smtp[77]: ",
                    b"#Fields: ",
                    b"[",
                    b"data: ",
                    b"HTTP/1.1 200 OK\r\n\r\n",
                ),
            )
            return chance.choice(header) + record
        case _:
            return other


def _shuffle_lines(chance: random.Random, record: bytes, _: Sequence[bytes]) -> bytes:
    lines = _LINE.findall(record)
    if chance.random() < 0.5:
        chance.shuffle(lines)
        return b"".join(lines)
    return record.replace(b"\n", chance.choice((b"\r\n", b"\r", b"", b"\n\n", b"\0")))


_WEIGHTED: tuple[tuple[Mutation, int], ...] = (
    *((_flip, 8), (_cut, 6), (_drop, 8), (_double, 5), (_insert, 5), (_encode, 2), (_pack, 1)),
    *((_swap_tokens, 8), (_edge_token, 14), (_double_token, 4), (_long_run, 7), (_repeat, 5), (_nest_bytes, 2)),
    *((_json, 22), (_said_twice, 3), (_splice, 6), (_shuffle_lines, 3)),
)
MUTATIONS = tuple(mutation for mutation, _ in _WEIGHTED)
_WEIGHTS = tuple(weight for _, weight in _WEIGHTED)


def _pick(chance: random.Random) -> Mutation:
    return chance.choices(MUTATIONS, _WEIGHTS)[0]
