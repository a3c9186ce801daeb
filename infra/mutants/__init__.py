"""Does a unit test notice each small fault in the decisions? `python -m mutants`."""
