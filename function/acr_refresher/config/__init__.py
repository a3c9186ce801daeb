"""What people write (config.yaml, events, schedules), read strictly, every problem at once."""
