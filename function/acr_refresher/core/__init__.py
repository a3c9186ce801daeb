"""Decisions: pure functions over frozen data. No clock, no I/O, no log, no SDK."""
