"""One way in per file: sockets that receive records and hand them to the intake."""
