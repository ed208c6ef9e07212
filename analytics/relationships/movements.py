"""Where an access came from, against where its actor and everybody else were before.

`speed_kmh` is how fast the actor must have travelled since their last located event, within a day and more than 100 km apart; 0
where that cannot be said. Addresses through which remote staff come in (`vpn_egress_ips`) are nowhere. `strange_place` is one where
the actor was not seen in 60 days, and hardly anybody else either. `moves` counts how often within a quarter of an hour, up to this
event, the account changed between units by the network its events came from: one person walks once, two people with one account go
to and fro. `idle_days` are days since the account did anything, or since the last log-in that the staff record names, without days
of leave; −1 says that neither is known.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import polars as pl

from analytics.relationships.knowledge import Knowledge, duties_at
from domain.organisation import Organisation
from store.movements import Movements

COLUMNS = (*("city", "country", "latitude", "longitude", "network_unit", "speed_kmh", "moves", "strange_place", "idle_days"),)

DISTANCE_KM = 100.0
"""Below it, two places given by an address book of networks are one."""

JOURNEY = timedelta(days=1)

WALKS = timedelta(minutes=15)

FEW = 0.01
"""A place used by less than this share of all located actors is strange to an actor who was never there."""

AT_LEAST_LOCATED = 20
"""Located actors below which no place is called strange: too little is known."""

AWAKE = timedelta(days=3)
"""Accounts seen within this time are not asked about further."""

SLEEP = timedelta(days=400)

_EARTH_KM = 6371.0

_NETWORKS = list[tuple[IPv4Network | IPv6Network, str]]


def movements(found: pl.DataFrame, asked: Movements, located: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """One row an access: row and `COLUMNS`. `found` is the frame of `people` of a batch, `located` that of `Movements.located`."""
    batch = found.select("row", "writer", "seq", "actor_id", "time", "ip").join(located, on=["writer", "seq"], how="left")
    batch = batch.with_columns(pl.col("city", "country").fill_null(""), network_unit=_units(batch["ip"], knowledge.org))
    placed = _unplaced(batch, knowledge.org)
    begin, end = batch["time"].min(), batch["time"].max()
    assert isinstance(begin, datetime)
    assert isinstance(end, datetime)
    begin, end = begin.astimezone(UTC), end.astimezone(UTC) + timedelta(microseconds=1)
    actors = batch["actor_id"].unique().to_list()
    earlier = asked.tracks(actors, begin - JOURNEY, begin - WALKS, end)
    earlier = earlier.join(batch, on=["writer", "seq"], how="anti").with_columns(row=pl.lit(None, pl.UInt32))
    track = pl.concat([placed.select(earlier.columns), _unplaced(earlier, knowledge.org)]).sort("actor_id", "time", "writer", "seq")
    return (
        batch.join(_speed(track), on="row", how="left")
        .join(_moves(track), on="row", how="left")
        .join(_strange(placed, asked, begin), on="row", how="left")
        .join(_idle(found, asked, begin, knowledge), on="row", how="left")
        .with_columns(
            pl.col("speed_kmh").fill_null(0.0).cast(pl.Float32),
            pl.col("moves").fill_null(0).cast(pl.UInt16),
            pl.col("strange_place").fill_null(value=False).cast(pl.UInt8),
            pl.col("idle_days").fill_null(-1).cast(pl.Int32),
        )
        .select("row", *COLUMNS)
    )


def _units(addresses: pl.Series, org: Organisation) -> pl.Series:
    """The unit whose network an address lies in, the narrowest first; '' where there is none."""
    networks = _networks(org)
    known = {address: _unit_of(address, networks) for address in addresses.unique().to_list()} if networks else {}
    return addresses.replace_strict(known, default="", return_dtype=pl.String) if known else pl.Series([""] * len(addresses))


def _networks(org: Organisation) -> _NETWORKS:
    found = []
    for unit in org.units.values():
        for text in unit.network.replace(",", " ").split():
            try:
                found.append((ip_network(text, strict=False), unit.unit))
            except ValueError:
                continue
    return sorted(found, key=lambda item: -item[0].prefixlen)


def _unit_of(address: str, networks: _NETWORKS) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return ""
    return next((unit for network, unit in networks if ip.version == network.version and ip in network), "")


def _unplaced(frame: pl.DataFrame, org: Organisation) -> pl.DataFrame:
    """The place of who comes through the organisation's own remote access is that of its exit, and says nothing."""
    through = pl.col("ip").is_in(list(org.vpn_egress_ips))
    return frame.with_columns(
        *(pl.when(through).then(pl.lit("")).otherwise(name).alias(name) for name in ("city", "country")),
        *(pl.when(through).then(None).otherwise(name).alias(name) for name in ("latitude", "longitude")),
    )


def _speed(track: pl.DataFrame) -> pl.DataFrame:
    located = track.drop_nulls(["latitude", "longitude"])
    before = {name: pl.col(name).shift(1).over("actor_id") for name in ("latitude", "longitude", "time")}
    hours = (pl.col("time") - before["time"]).dt.total_seconds() / 3600
    distance = _distance(before["latitude"], before["longitude"])
    far = (distance >= DISTANCE_KM) & (hours <= JOURNEY.total_seconds() / 3600)
    # Two events in one minute: one minute is what the clocks of two systems may differ by.
    speed = pl.when(far).then(distance / hours.clip(lower_bound=1 / 60)).otherwise(0.0)
    return located.with_columns(speed_kmh=speed).drop_nulls("row").select("row", "speed_kmh")


def _distance(latitude: pl.Expr, longitude: pl.Expr) -> pl.Expr:
    """Along the sphere to the place of the row, in km (haversine)."""
    one, other = latitude.radians(), pl.col("latitude").radians()
    north, east = (other - one) / 2, (pl.col("longitude").radians() - longitude.radians()) / 2
    share = north.sin().pow(2) + one.cos() * other.cos() * east.sin().pow(2)
    return 2 * _EARTH_KM * share.clip(0, 1).sqrt().arcsin()


def _moves(track: pl.DataFrame) -> pl.DataFrame:
    at_units = track.filter(pl.col("network_unit") != "")
    if at_units.is_empty():
        return pl.DataFrame(schema={"row": pl.UInt32, "moves": pl.UInt16})
    changed = pl.col("network_unit") != pl.col("network_unit").shift(1).over("actor_id")
    counted = at_units.with_columns(change=changed.fill_null(value=False).cast(pl.UInt16)).sort("actor_id", "time")
    # Changes at or after the beginning of the window, each counted where it is seen.
    moved = counted.with_columns(moves=pl.col("change").rolling_sum_by("time", window_size=WALKS, closed="both").over("actor_id"))
    return moved.drop_nulls("row").select("row", pl.col("moves").cast(pl.UInt16))


def _strange(placed: pl.DataFrame, asked: Movements, begin: datetime) -> pl.DataFrame:
    """A day at a strange place is strange from its first event to its last; what was so on an earlier day is known."""
    here = ["city", "country"]
    located = placed.filter((pl.col("city") != "") | (pl.col("country") != ""))
    located = located.select("row", "actor_id", *here, day=pl.col("time").dt.truncate("1d"))
    if located.is_empty():
        return pl.DataFrame(schema={"row": pl.UInt32, "strange_place": pl.Boolean})
    used = asked.frequented(begin)
    been = asked.visited(located["actor_id"].unique().to_list(), begin).with_columns(been=pl.lit(value=True))
    # What the batch itself says of earlier days: history comes in one piece, too.
    first = located.group_by("actor_id", *here).agg(first=pl.col("day").min())
    days = located.select("day", *here).unique()
    others = days.join(first, on=here).filter(pl.col("first") < pl.col("day")).group_by("day", *here).agg(others=pl.len())
    located_by = days.select("day").unique().join(first, how="cross").filter(pl.col("first") < pl.col("day"))
    located_by = located_by.group_by("day").agg(everybody=pl.col("actor_id").n_unique())
    known = (
        located.join(been, on=["actor_id", *here], how="left")
        .join(first, on=["actor_id", *here], how="left")
        .join(used, on=here, how="left")
        .join(others, on=["day", *here], how="left")
        .join(located_by, on="day", how="left")
    )
    everybody = pl.lit(int(used["actors"].sum())) + pl.col("everybody").fill_null(0)
    actors = pl.col("actors").fill_null(0) + pl.col("others").fill_null(0)
    never = pl.col("been").is_null() & (pl.col("first") >= pl.col("day"))
    few = actors < pl.max_horizontal(FEW * everybody, pl.lit(2))
    return known.select("row", strange_place=never & few & (everybody >= AT_LEAST_LOCATED))


def _idle(found: pl.DataFrame, asked: Movements, begin: datetime, knowledge: Knowledge) -> pl.DataFrame:
    """Only accounts of staff sleep: patients come when they are ill."""
    staff = found.filter(pl.col("staff_id") != "").select("row", "actor_id", "time", "last_login_at", "known_at", "staff_id")
    if staff.is_empty():
        return pl.DataFrame(schema={"row": pl.UInt32, "idle_days": pl.Int32})
    actors = staff["actor_id"].unique().to_list()
    seen = asked.last_seen(actors, begin - AWAKE, begin)
    quiet = sorted(set(actors) - set(seen["actor_id"].to_list()))
    if quiet:
        seen = pl.concat([seen, asked.last_seen(quiet, begin - SLEEP, begin - AWAKE)])
    inside = pl.col("time").shift(1).over("actor_id")
    known = staff.sort("actor_id", "time").with_columns(inside=inside).join(seen, on="actor_id", how="left")
    earlier = pl.when(pl.col("last_login_at") <= pl.col("time")).then("last_login_at")
    known = known.with_columns(last=pl.max_horizontal("inside", "seen", earlier))
    days = (pl.col("time") - pl.col("last")).dt.total_days()
    asleep = known.with_columns(idle_days=days.fill_null(-1).cast(pl.Int32))
    absent = _leave_days(asleep.filter(pl.col("idle_days") > 30), knowledge)
    awake = pl.col("idle_days") - pl.col("away").fill_null(0)
    return asleep.join(absent, on="row", how="left").select(
        "row", idle_days=pl.when(pl.col("idle_days") > 30).then(awake.clip(lower_bound=0)).otherwise("idle_days").cast(pl.Int32)
    )


def _leave_days(asleep: pl.DataFrame, knowledge: Knowledge) -> pl.DataFrame:
    """Days of leave on record between the last sign of life and the access."""
    if asleep.is_empty():
        return pl.DataFrame(schema={"row": pl.UInt32, "away": pl.Int64})
    leave = duties_at(asleep, knowledge).filter(pl.col("duty") == "leave").join(asleep.select("row", "last"), on="row")
    begin = pl.max_horizontal("valid_from", "last")
    end = pl.min_horizontal(pl.col("valid_to").fill_null(pl.col("time")), "time")
    return leave.group_by("row").agg(away=((end - begin).dt.total_days() + 1).clip(lower_bound=0).sum())
