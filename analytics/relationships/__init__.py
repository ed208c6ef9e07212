"""Treatment relationships: why an access is right, and what speaks against it, as sentences with record and date."""
