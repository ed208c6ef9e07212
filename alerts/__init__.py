"""Brings findings to people: grouping, routing, durable delivery, acknowledgement."""
