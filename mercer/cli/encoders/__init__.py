"""One class for each kind of column: values in, numbers out, and a description in JSON."""

from mercer.cli.encoders.base import Encoder
from mercer.cli.encoders.category import CategoryEncoder
from mercer.cli.encoders.date import DateEncoder
from mercer.cli.encoders.levels import LevelMeanEncoder
from mercer.cli.encoders.number import NumberEncoder
from mercer.cli.encoders.time import TimeEncoder

ENCODERS: dict[str, type[Encoder]] = {
    "number": NumberEncoder,
    "category": CategoryEncoder,
    "levels": LevelMeanEncoder,
    "date": DateEncoder,
    "time": TimeEncoder,
}

__all__ = [
    "ENCODERS",
    "CategoryEncoder",
    "DateEncoder",
    "Encoder",
    "LevelMeanEncoder",
    "NumberEncoder",
    "TimeEncoder",
]
