"""``mercer lab``: list, check, race, profile, evolve, report."""
