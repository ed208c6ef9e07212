"""What things are: pure types and mathematics, without I/O, clock or settings."""
