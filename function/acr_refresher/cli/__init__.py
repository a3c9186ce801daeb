"""The operator's commands, run from a checkout as `bin/acr-refresher`; the function uses none."""
