"""One run: the stages from the list of clusters to the outcomes, and the ports that it needs."""
