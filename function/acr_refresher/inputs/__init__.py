"""What people write (config.yaml, events), read strictly: every problem at once, in plain words."""
