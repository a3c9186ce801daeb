"""The operator's commands, run from a checkout as `bin/acr-refresher`. The function uses none."""
