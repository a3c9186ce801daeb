"""`python -m acr_refresher.cli`."""

from acr_refresher.cli.app import app

app(prog_name="acr-refresher")
