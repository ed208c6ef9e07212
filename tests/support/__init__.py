"""What tests share: a ticking clock, a cast of characters, a ledger on disk."""
