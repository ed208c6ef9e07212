"""A synthetic hospital of middling size: everything in it is made from a seed, and nobody in it exists."""

from runtime.demo.hospital.build import Hospital, make_hospital
from runtime.demo.hospital.plan import Plan

__all__ = ["Hospital", "Plan", "make_hospital"]
