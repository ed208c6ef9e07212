"""TXT records about the transport of mail: `_mta-sts` (RFC 8461 section 3.1) and `_smtp._tls` (RFC 8460 section 3).

Both say: records that do not begin with the version are passed over, and if not exactly one is left, there is none.
"""

import re
from collections.abc import Sequence

from ingest.posture.reading import MOST_TEXT, Read, tags

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_RUA = re.compile(r"(?:mailto:[^\s@,]+@[^\s@,]+|https://[^\s,]+)", re.IGNORECASE)


def mta_sts_id(records: Sequence[str]) -> Read[str]:
    """The id of the policy; '' where no policy is published."""
    text, problem = _only(records, "v=STSv1", "MTA-STS")
    if text is None:
        return Read("", problem)
    ids = [value for name, value in tags(text) if name == "id"]
    if len(ids) != 1 or not _ID.fullmatch(ids[0]):
        return Read("", "the MTA-STS record has no valid id")
    return Read(ids[0])


def tls_rpt(records: Sequence[str]) -> Read[bool]:
    """Whether reports about TLS are asked for."""
    text, problem = _only(records, "v=TLSRPTv1", "TLS-RPT")
    if text is None:
        return Read(False, problem)
    wanted = [value for name, value in tags(text) if name == "rua"]
    if len(wanted) != 1 or not all(_RUA.fullmatch(address.strip()) for address in wanted[0].split(",")):
        return Read(False, "the TLS-RPT record does not say where reports go (rua)")
    return Read(True)


def _only(records: Sequence[str], version: str, name: str) -> tuple[str | None, str]:
    ours = [record for record in records if re.match(rf"{version}[ \t]*(?:;|\Z)", record)]
    if len(ours) > 1:
        return None, f"there are {len(ours)} {name} records, which counts as none"
    if not ours:
        return None, ""
    return (None, f"the {name} record is too long") if len(ours[0]) > MOST_TEXT else (ours[0], "")
