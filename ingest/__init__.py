"""Collectors and parsers: every feed becomes AuditEvents, or is quarantined with a reason."""
