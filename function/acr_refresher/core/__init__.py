"""Decisions: pure functions on frozen data, without clock, I/O, log or SDK."""
