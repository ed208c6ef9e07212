"""A real Postfix delivers to servers with every kind of TLS; from its own log, each delivery is judged as it happened."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.event import AuditEvent
from ingest.parsers.postfix import PostfixParser
from tests.e2e.postfix_town import ERRANDS
from tests.runtime.command import ROOT, Command

_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
_TLS13 = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
_TLS12 = ("TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
_NOTHING = ("", "")

EXPECTED = {
    "secure13": ("verified_webpki", *_TLS13, "met"),
    "secure12": ("verified_webpki", *_TLS12, "met"),
    "verify12": ("verified_webpki", *_TLS12, "met"),
    "trusted13": ("trusted", *_TLS13, "unknown"),
    "trusted12": ("trusted", *_TLS12, "unknown"),
    "kept": ("trusted", *_TLS13, "unknown"),
    "wrong": ("trusted", *_TLS13, "unknown"),
    "self13": ("untrusted", *_TLS13, "broken"),
    "self12": ("untrusted", *_TLS12, "broken"),
    "expired": ("untrusted", *_TLS13, "broken"),
    "stranger": ("untrusted", *_TLS13, "broken"),
    "anonymous": ("anonymous", "TLSv1.2", "TLS_ECDH_anon_WITH_AES_256_CBC_SHA", "broken"),
    "old": ("trusted", "TLSv1.0", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "unknown"),
    "untaken": ("none", *_NOTHING, "broken"),
    "breaks": ("none", *_NOTHING, "broken"),
    "fails": ("none", *_NOTHING, "broken"),
}
"""Domain to TLS verdict, version, cipher and what the policy says, of mail that was sent. Every domain is a partner whose MTA-STS
policy is `enforce` by the register; whether there is PHI in the mail is not known."""

WITHOUT_A_LINE = frozenset({"plain", "kept-plain", "patience", "breaks-quiet"})
"""Sent in the clear, where Postfix before 3.11 writes no line that says so."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The log of Postfix, and what was made of it."""

    says_tls: bool
    lines: list[bytes]
    facts: dict[str, list[tuple[str, str, str, str, str]]]
    """Domain to action, TLS verdict, version, cipher and policy outcome, in the order of the log."""


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    need_postfix()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # Postfix's own user goes through it
        town = subprocess.run(
            [*_NAMESPACES, sys.executable, "-m", "tests.e2e.postfix_town", name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert town.returncode == 0, town.stderr[-8000:]
        log = folder / "mail.log"
        phitrail = Command(tmp_path_factory.mktemp("postfix"))
        (folder / "org.json").write_text('{"name": "Hospital", "timezone": "UTC", "mail_domain": "hospital.example"}')
        partners = [{"domain": errand.host.domain, "kind": "partner", "baa": True, "mta_sts": "enforce"} for errand in ERRANDS]
        (folder / "domains.jsonl").write_text("\n".join(map(json.dumps, partners)))
        assert phitrail("context", "load", folder).code == 0
        read = phitrail("ingest", log, "--format", "postfix", "--source-system", "mx1")
        assert read.code == 0, read.err
        written = datetime.fromtimestamp(log.stat().st_mtime, UTC)
        analysed = phitrail("analyze", "--from", f"{written - timedelta(minutes=5):%Y-%m-%d}", "--to", f"{written:%Y-%m-%d}")
        assert analysed.code == 0, analysed.err
        yield Delivered(says_tls=version() >= (3, 11), lines=log.read_bytes().splitlines(), facts=facts(phitrail))


def test_what_was_sent_is_judged_as_it_went(delivered: Delivered) -> None:
    silent = ("none", *_NOTHING, "broken") if delivered.says_tls else ("unknown", *_NOTHING, "unknown")
    dane = "verified_dane" if delivered.says_tls else "verified_webpki"
    expected = {**EXPECTED, **dict.fromkeys(WITHOUT_A_LINE, silent), "dane13": (dane, *_TLS13, "met")}

    sent = {domain: {fact[1:] for fact in found if fact[0] == "deliver"} for domain, found in delivered.facts.items()}

    assert {domain: found for domain, found in sent.items() if found} == {domain: {one} for domain, one in expected.items()}
    for errand in ERRANDS:
        if errand.ends == "sent":
            found = delivered.facts[errand.host.domain.removesuffix(".example")]
            assert [fact[0] for fact in found].count("deliver") == errand.mails * errand.recipients


def test_what_was_not_sent_is_not_judged(delivered: Delivered) -> None:
    unsent = {
        domain: [fact for fact in found if fact[0] != "deliver"]
        for domain, found in delivered.facts.items()
        if domain != "hospital"
    }

    assert {domain for domain, found in unsent.items() if found} == {
        *("demanded", "secure-wrong", "secure-expired", "secure-stranger"),
        *("refused", "patience", "breaks", "breaks-quiet", "fails"),
    }
    assert {fact[0] for fact in unsent["refused"]} == {"bounce"}
    assert {fact[0] for domain, found in unsent.items() for fact in found if domain != "refused"} == {"defer"}
    assert {fact[4] for found in unsent.values() for fact in found} == {"not_sent"}


def test_where_tls_logging_is_proven_the_clear_is_told_from_tls(delivered: Delivered) -> None:
    parser = PostfixParser("mx1", received=lambda: datetime.now(UTC), tls_logging_proven=True)  # noqa: TID251 - when Postfix wrote
    clear: dict[object, set[bool]] = {}
    for line in delivered.lines:
        for event in parser.parse(line):
            assert isinstance(event, AuditEvent), event.reason
            if event.action == "deliver":
                tls = event.details["tls"]
                is_clear = tls is None or (isinstance(tls, dict) and tls.get("version", "") is None)
                clear.setdefault(str(event.details["to_domain"]).removesuffix(".example"), set()).add(is_clear)

    assert {domain for domain, found in clear.items() if found == {True}} == WITHOUT_A_LINE | {"untaken", "breaks", "fails"}
    assert {domain for domain, found in clear.items() if found == {False}} == set(EXPECTED) - {"untaken", "breaks", "fails"} | {
        "dane13"
    }


def need_postfix() -> None:
    """Skips the test, with what is missing, where no Postfix can be run."""
    for program, package in {"postfix": "Postfix", "unshare": "util-linux", "ip": "iproute2", "mount": "mount"}.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine ({package})")
    if os.geteuid() != 0:
        pytest.skip("Postfix is started by root only")
    tried = subprocess.run(
        [*_NAMESPACES, "mount", "--bind", "/etc/resolv.conf", "/etc/resolv.conf"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip("this user may not make network and mount namespaces (CAP_SYS_ADMIN)")


def version() -> tuple[int, ...]:
    """Of the Postfix on this machine."""
    said = subprocess.run(["postconf", "-dh", "mail_version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def facts(phitrail: Command) -> dict[str, list[tuple[str, str, str, str, str]]]:
    """What the node knows of deliveries, read in a process of its own (this one may have another engine open)."""
    code = (
        "import json, sys; from pathlib import Path; from store.engine import Engine\n"
        "with Engine.embedded(Path(sys.argv[1])) as engine:\n"
        "    print(json.dumps(engine.rows('SELECT to_domain, action, tls_verdict, tls_version, tls_cipher, policy_outcome '\n"
        "        'FROM delivery_facts FINAL WHERE action IN (\\'deliver\\', \\'defer\\', \\'bounce\\') ORDER BY seq')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(phitrail.data_dir)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, list[tuple[str, str, str, str, str]]] = {}
    for domain, *fact in json.loads(done.stdout):
        found.setdefault(domain.removesuffix(".example"), []).append(tuple(fact))
    return found
