"""What people write: config.yaml, events and schedules, with every problem reported at once."""
