"""Budgets as people write them."""

from __future__ import annotations

import re

from mercer.cli.bad_input import BadInput

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Return the seconds of 90s, 10m, 1h or 1h30m; a bare number is seconds.

    Examples
    --------
    >>> seconds("10m"), seconds("1h30m"), seconds("2.5")
    (600.0, 5400.0, 2.5)
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms]?)", text)
    units = "".join(unit for _, unit in parts)
    whole = "".join(number + unit for number, unit in parts) == text.strip()
    total = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not whole or not total > 0 or units not in ("", "s", "m", "h", "hm", "ms", "hms", "hs"):
        raise BadInput(f"--budget must be a time such as 90s, 10m or 1h, got {text!r}")
    return total
