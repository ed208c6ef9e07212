"""The place of mail in the ranking: how exposed a day's deliveries about a patient (or to a domain) were, by rule."""

from collections.abc import Mapping
from datetime import date

import polars as pl

from domain.finding import Score

MODEL = "mail-exposure/1"

EXPOSURE: Mapping[str, float] = {
    "none": 0.95,
    "anonymous": 0.6,
    "untrusted": 0.6,
    "unknown": 0.35,
    "trusted": 0.12,
    "verified_webpki": 0.02,
    "verified_dane": 0.02,
}
"""By TLS verdict of the delivery. Unknown is never green."""

_SENTENCES: Mapping[str, str] = {
    "none": "Sent in plain text",
    "anonymous": "The server's certificate was not checked",
    "untrusted": "The server's certificate was not trusted",
    "unknown": "Whether the line was encrypted is not known",
    "trusted": "Encrypted, the server's name was not verified",
}


def mail_scores(deliveries: pl.DataFrame, day: date) -> list[Score]:
    """The score of each (actor, patient or domain) of one local day: the most exposed delivery decides.

    `deliveries` has actor_id, patient_id, to_domain, phi, encryption, auto_forwarded, tls_verdict, tls_weak, opted_in.
    """
    about = pl.when(pl.col("phi") == 1).then(1.0).when(pl.col("phi").is_null()).then(0.5).otherwise(0.05)
    about = pl.when(pl.col("patient_id") != "").then(pl.max_horizontal(about, 0.5)).otherwise(about)
    exposure = pl.col("tls_verdict").replace_strict(EXPOSURE, default=EXPOSURE["unknown"], return_dtype=pl.Float64)
    exposure = pl.max_horizontal(exposure, pl.when(pl.col("tls_weak") == 1).then(0.5).otherwise(0.0))
    sealed = pl.when(pl.col("encryption").is_in(["smime", "pgp", "portal_link", "escrow"])).then(0.1).otherwise(1.0)
    agreed = pl.when(pl.col("opted_in") == 1).then(0.15).otherwise(1.0)
    forwarded = pl.when(pl.col("auto_forwarded") == 1).then(0.3).otherwise(0.0)
    scored = deliveries.with_columns(
        object_id=pl.when(pl.col("patient_id") != "").then("patient_id").otherwise("to_domain"),
        score=(about * pl.max_horizontal(exposure, forwarded) * sealed * agreed).round(6),
    ).filter(pl.col("object_id") != "")
    worst = scored.sort(["score", "tls_verdict"], descending=[True, False]).unique(
        ["actor_id", "object_id"], keep="first", maintain_order=True
    )
    return [
        Score(
            actor_id=row["actor_id"],
            object_id=row["object_id"],
            day=day,
            score=row["score"],
            model=MODEL,
            reasons=tuple(_reasons(row)),
        )
        for row in worst.sort("actor_id", "object_id").iter_rows(named=True)
    ]


def _reasons(row: Mapping[str, object]) -> list[str]:
    said = [_SENTENCES[str(row["tls_verdict"])]] if str(row["tls_verdict"]) in _SENTENCES else []
    if row["tls_weak"] == 1:
        said.append("An outdated version or cipher of TLS")
    if row["phi"] == 1:
        said.append("The sender marked it as PHI")
    if row["auto_forwarded"] == 1:
        said.append("Forwarded automatically")
    if row["opted_in"] == 1:
        said.append("The patient asked for unencrypted mail")
    return said
