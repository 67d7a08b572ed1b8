"""Simulated events of a drift-tube chamber, good and bad."""

from __future__ import annotations

import numpy as np

from mercer import checks

LAYERS = 4
CELL, PITCH = 42.0, 13.0  # mm, width of a cell and distance of layers
VELOCITY = 0.054  # mm/ns
SLOWER, SLOWER_STILL = 0.02, 0.10  # shares by which drift at the cathode takes longer
RESOLUTION, RISE = 4.0, 4.0  # ns
NOISE, DEVIATIONS = 0.002, 3.0  # probability of a noise pulse, and the threshold in its deviations
STEEPEST = 0.6  # tangent of a track
WINDOW = 400.0  # ns


def drift_tubes(
    n: int, rng: np.random.Generator, *, voltage: float = 1.0, threshold: float = 1.0
) -> np.ndarray:
    r"""Draw muons that cross four layers of drift cells, every other one shifted by half a cell.

    A straight track passes each layer at a distance r from a wire. The time is
    :math:`r / v \, (1 + s (r / r_{max})^3)` with a resolution of 4 ns. Cathodes at a share V of
    their voltage slow the drift near them, :math:`s = 0.02 + 0.1 (1 - V)`. At a share h of the
    threshold, pulses, which rise exponentially, cross it earlier by :math:`4 \log(1/h)` ns; and
    noise, which takes the place of a hit that comes after it, has a probability of 0.002 times
    :math:`e^{4.5 (1 - h^2)}`, by Rice's law for a threshold of three standard deviations.

    Parameters
    ----------
    n : int
        Events.
    rng : numpy.random.Generator
        Source of randomness.
    voltage, threshold : float
        Shares of the nominal values, above 0 and at most 1.

    Returns
    -------
    ndarray, shape (n, 5)
        The four times (ns) and the angle (degrees) of the line through the hits, whose sides of the
        wires are known.

    Examples
    --------
    >>> events = drift_tubes(1000, np.random.default_rng(0))
    >>> events.shape, bool(np.quantile(events[:, :4], 0.99) < 410)
    ((1000, 5), True)

    References
    ----------
    CMS Collaboration, "Performance of the CMS Drift Tube Chambers with Cosmic Rays": cells,
    velocity and resolution.
    https://arxiv.org/abs/0911.4855
    S. O. Rice, "Mathematical Analysis of Random Noise": how often noise crosses a threshold.
    https://doi.org/10.1002/j.1538-7305.1944.tb00874.x
    """
    checks.count("n", n)
    for name, share in (("voltage", voltage), ("threshold", threshold)):
        checks.positive(name, share)
        checks.interval(name, share, 0, 1)
    z = (np.arange(LAYERS) - (LAYERS - 1) / 2) * PITCH
    tangent = STEEPEST * rng.uniform(-1, 1, (n, 1)) * np.sqrt(rng.uniform(0, 1, (n, 1)))
    x = rng.uniform(0, CELL, (n, 1)) + z * tangent  # [n, 4]
    wires = CELL / 2 * (np.arange(LAYERS) % 2)
    from_wire = (x - wires + CELL / 2) % CELL - CELL / 2
    slower = SLOWER + SLOWER_STILL * (1 - voltage)
    times = np.abs(from_wire) / VELOCITY * (1 + slower * (2 * np.abs(from_wire) / CELL) ** 3)
    times += RESOLUTION * rng.standard_normal(times.shape) + RISE * np.log(threshold)
    noise = rng.uniform(0, WINDOW, times.shape)
    rate = NOISE * np.exp(DEVIATIONS**2 / 2 * (1 - threshold**2))
    taken = (rng.uniform(0, 1, times.shape) < rate) & (noise < times)
    times = np.where(taken, noise, times)
    hits = x - from_wire + np.sign(from_wire) * VELOCITY * times
    return np.column_stack([times, np.degrees(np.arctan(hits @ z / (z @ z)))])
