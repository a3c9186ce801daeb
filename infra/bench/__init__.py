"""What a run costs, against what it could cost at the least: `python -m bench`."""
