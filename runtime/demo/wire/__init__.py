"""How each source system writes down the same event: one wire format per module, from an AuditEvent to bytes."""
