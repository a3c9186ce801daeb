"""One run: its stages, from the list of clusters to the outcomes, and the ports that it calls."""
