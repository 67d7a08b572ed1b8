"""Systems that fit a function to data."""
