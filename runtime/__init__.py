"""The composition root: settings, wiring, schedule, command line."""
