"""A real Postfix and the mail servers it delivers to, in a network of their own: `python -m tests.e2e.postfix_town FOLDER`.

Runs inside a network, mount and process namespace (unshare(1)), whose loopback interface has documentation addresses (RFC 5737): so
relays are addresses outside, ports are the real ones, and nothing leaves the machine. Nothing outlives the namespace. Everything is
below FOLDER, which the postfix user must be able to reach; Postfix's own log is FOLDER/mail.log.
"""

import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.mail_hosts import Authority, Habit, MailHost, Shown, mail_hosts, self_signed, tlsa
from tests.support.name_server import name_server

SENDER = "referrals@hospital.example"
LONGEST_WAIT = 25.0
_PAUSE = threading.Event()

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mail.hospital.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/own.pem
smtpd_tls_loglevel = 1
smtp_tls_security_level = may
smtp_tls_loglevel = 1
smtp_tls_note_starttls_offer = yes
smtp_tls_CAfile = {folder}/ca.pem
smtp_tls_session_cache_database = btree:$data_directory/smtp_tls
smtp_tls_policy_maps = texthash:{folder}/etc/tls_policy
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
transport_maps = texthash:{folder}/etc/transport
default_process_limit = 3
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
transport_retry_time = 1s
notify_classes =
"""

_SERVICES = """
127.0.0.1:25 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
kept unix - - n - 1 smtp
  -o syslog_name=postfix/kept
  -o smtp_tls_connection_reuse=yes
  -o smtp_connection_cache_destinations=kept.example,kept-plain.example
old unix - - n - 1 smtp
  -o syslog_name=postfix/old
  -o smtp_tls_protocols=>=TLSv1
  -o tls_medium_cipherlist=ALL:@SECLEVEL=0
alone unix - - n - 1 smtp
  -o syslog_name=postfix/alone
quiet unix - - n - 1 smtp
  -o syslog_name=postfix/quiet
  -o smtp_tls_note_starttls_offer=no
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
tlsproxy unix - - n - 0 tlsproxy
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_V12, _V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Mails to one domain: to how many recipients each, under which TLS policy and transport, and the status it ends with."""

    host: MailHost
    policy: str = "may"
    transport: str = ""
    mails: int = 1
    recipients: int = 1
    ends: str = "sent"

    def addresses(self, mail: int) -> list[str]:
        return [f"in{mail}.{number}@{self.host.domain}" for number in range(self.recipients)]


def _errand(domain: str, shown: Shown, policy: str = "may", version: ssl.TLSVersion = _V13, **more: object) -> Errand:
    habit = more.pop("habit", Habit.NONE)
    host = MailHost(domain=f"{domain}.example", shown=shown, version=version, habit=habit)  # type: ignore[arg-type]
    return Errand(host=host, policy=policy, **more)  # type: ignore[arg-type]


ERRANDS: Sequence[Errand] = (
    _errand("plain", Shown.NO_TLS),
    _errand("secure13", Shown.GOOD, "secure"),
    _errand("secure12", Shown.GOOD, "secure", _V12),
    _errand("verify12", Shown.GOOD, "verify", _V12),
    _errand("dane13", Shown.SELF_SIGNED, "dane-only"),
    _errand("trusted13", Shown.GOOD, mails=3, recipients=2),
    _errand("trusted12", Shown.GOOD, "may", _V12, mails=3),
    _errand("wrong", Shown.WRONG_NAME),
    _errand("self13", Shown.SELF_SIGNED),
    _errand("self12", Shown.SELF_SIGNED, "encrypt", _V12),
    _errand("expired", Shown.EXPIRED),
    _errand("stranger", Shown.UNKNOWN_CA),
    _errand("anonymous", Shown.NO_CERTIFICATE, "may", _V12),
    _errand("old", Shown.GOOD, "may", ssl.TLSVersion.TLSv1, transport="old"),
    _errand("untaken", Shown.GOOD, "none"),
    _errand("kept", Shown.GOOD, transport="kept", mails=3),
    _errand("kept-plain", Shown.NO_TLS, transport="kept", mails=3),
    _errand("demanded", Shown.NO_TLS, "encrypt", ends="deferred"),
    _errand("secure-wrong", Shown.WRONG_NAME, "secure", ends="deferred"),
    _errand("secure-expired", Shown.EXPIRED, "secure", ends="deferred"),
    _errand("secure-stranger", Shown.UNKNOWN_CA, "secure", ends="deferred"),
    _errand("refused", Shown.GOOD, ends="bounced", habit=Habit.REFUSES),
    _errand("patience", Shown.GOOD, transport="alone", habit=Habit.TRIES_PATIENCE),
    _errand("breaks", Shown.GOOD, habit=Habit.BREAKS_TLS),
    _errand("breaks-quiet", Shown.GOOD, transport="quiet", habit=Habit.BREAKS_TLS),
    _errand("fails", Shown.NO_CERTIFICATE),
)


def main(folder: Path) -> None:
    """Deliver everything once, and stop."""
    addresses = [f"198.51.100.{number}" for number, _ in enumerate(ERRANDS, 10)]
    hosts = [errand.host for errand in ERRANDS]
    _run("ip", "link", "set", "lo", "up")
    for address in addresses:
        _run("ip", "address", "add", f"{address}/32", "dev", "lo")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions trust-ad edns0 timeout:2\n")
    _run("mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf")
    authority = Authority.made("the authority")
    (folder / "ca.pem").write_bytes(authority.pem())
    self_signed("mail.hospital.example", folder / "own.pem")
    _configure(folder)
    with mail_hosts(hosts, addresses, folder, authority) as certificates:
        table = {(host.domain, "MX"): [f"10 {host.name}."] for host in hosts}
        table |= {(host.name, "A"): [address] for host, address in zip(hosts, addresses, strict=True)}
        table |= {(f"_25._tcp.{host.name}", "TLSA"): [tlsa(certificates[host.domain])] for host in hosts if "dane" in host.domain}
        with name_server(table, ("127.0.0.1", 53)):
            _deliver(folder)


def _configure(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "queue").mkdir()
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "etc" / "main.cf").write_text(_MAIN.format(folder=folder))
    (folder / "etc" / "master.cf").write_text(_SERVICES)
    (folder / "etc" / "tls_policy").write_text("".join(f"{errand.host.domain} {errand.policy}\n" for errand in ERRANDS))
    kept = "".join(f"{errand.host.domain} {errand.transport}:\n" for errand in ERRANDS if errand.transport)
    (folder / "etc" / "transport").write_text(f"{kept}hospital.example discard:\n")


def _deliver(folder: Path) -> None:
    log = folder / "mail.log"
    command = ["postfix", "-c", str(folder / "etc"), "start-fg"]
    with subprocess.Popen(command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC"}) as postfix:
        try:
            _wait(log, [r"daemon started"])
            with smtplib.SMTP("127.0.0.1", 25, timeout=LONGEST_WAIT) as client:
                client.starttls()
                for errand in ERRANDS:
                    for mail in range(errand.mails):
                        client.sendmail(SENDER, errand.addresses(mail), f"Message-ID: <{mail}@{errand.host.domain}>\n\nhello\n")
            _wait(
                log,
                [
                    rf"to=<{re.escape(address)}>,.* status={errand.ends} "
                    for errand in ERRANDS
                    for mail in range(errand.mails)
                    for address in errand.addresses(mail)
                ],
            )
        finally:
            postfix.terminate()
            postfix.wait(LONGEST_WAIT)


def _wait(log: Path, patterns: Sequence[str]) -> None:
    """Returns when the log has a line for each of the patterns."""
    end, missing, text = time.monotonic() + LONGEST_WAIT, list(patterns), ""
    while missing:
        assert time.monotonic() < end, f"Postfix did not come to {missing}\n{text[-6000:]}"
        _PAUSE.wait(0.05)
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        missing = [pattern for pattern in missing if re.search(pattern, text) is None]


def _run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
