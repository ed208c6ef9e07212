"""Reference records as typed columns: what `ContextStore.frame` hands to analysts."""

import polars as pl

from domain.context import Kind
from domain.context_fields import Field

_MOMENT = pl.Datetime("us", "UTC")
_STAY = pl.Struct({"unit": pl.String, "from": pl.String, "to": pl.String})
_POST = pl.Struct({"unit": pl.String, "department": pl.String, "role": pl.String, "from": pl.String, "to": pl.String})

_DECODED: dict[Field, pl.DataType] = {
    Field.TEXT: pl.String(),
    Field.FLAG: pl.Boolean(),
    Field.DAY: pl.String(),
    Field.INSTANT: pl.String(),
    Field.MOMENT: pl.String(),
    Field.TEXTS: pl.List(pl.String),
    Field.CONTACT: pl.Struct({"name": pl.String, "phone": pl.String, "relationship": pl.String}),
    Field.STAYS: pl.List(_STAY),
    Field.POSTS: pl.List(_POST),
}


def decoded(kind: Kind, bodies: pl.Series) -> pl.DataFrame:
    """Bodies (canonical JSON of checked records) to one column a known field, in the order the kind names them."""
    shape = pl.Struct({name: _DECODED[what] for name, what in kind.fields.items() if what in _DECODED})
    body = bodies.rename("body").cast(pl.String)
    frame = (
        body.str.json_decode(shape)
        .struct.unnest()
        .with_columns(
            *(body.str.json_path_match(f"$.{name}").alias(name) for name, what in kind.fields.items() if what is Field.OPEN)
        )
    )
    return frame.select(_typed(name, what) for name, what in kind.fields.items())


def _typed(name: str, what: Field) -> pl.Expr:
    if what is Field.DAY:
        return pl.col(name).str.to_date("%Y-%m-%d")
    if what is Field.INSTANT:
        return pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC").cast(_MOMENT)
    return pl.col(name)
