"""From where people work: the workstations of a unit, a laptop through the VPN, an address outside."""

import random
from dataclasses import dataclass

from domain.event import Device, DeviceKind
from runtime.demo.hospital import org
from runtime.demo.hospital.records import Staff

STATIONS = 14
"""Workstations per unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    device: Device
    ip: str


def station(staff: Staff, unit: str, chance: random.Random, *, usual: float = 0.8) -> Place:
    """The person's usual workstation on the unit (with probability `usual`), else another one there."""
    number = int(staff.staff_id[1:]) % STATIONS if chance.random() < usual else chance.randrange(STATIONS)
    return Place(
        device=Device(id=f"WS-{unit}-{number + 1:02d}", kind=DeviceKind.WORKSTATION), ip=f"{org.UNIT[unit].stem}.{20 + number}"
    )


def remote(staff: Staff, chance: random.Random) -> Place:
    """The hospital's laptop at home: seen from the VPN."""
    return Place(device=Device(id=f"LT-{staff.staff_id}", kind=DeviceKind.REMOTE), ip=chance.choice(org.VPN_EGRESS_IPS))


def outside(chance: random.Random) -> Place:
    """An unknown browser at an address never seen before (RFC 5737, TEST-NET-3)."""
    return Place(
        device=Device(id=f"BR-{chance.randrange(16**6):06x}", kind=DeviceKind.BROWSER), ip=f"203.0.113.{chance.randint(2, 250)}"
    )
