"""Units of measure as shops write them: every spelling, and the one that is indexed."""

from __future__ import annotations

_SPELLINGS = {
    "tb": "terabyte terabytes", "gb": "gigabyte gigabytes gig gigs", "mb": "megabyte megabytes",
    "kb": "kilobyte kilobytes",
    "ghz": "gigahertz", "mhz": "megahertz", "khz": "kilohertz", "hz": "hertz",
    "kw": "kilowatt kilowatts", "w": "watt watts", "kwh": "", "wh": "", "kv": "", "v": "volt volts", "mah": "",
    "mm": "millimetre millimetres millimeter millimeters", "cm": "centimetre centimetres centimeter centimeters",
    "m": "metre metres meter meters", "km": "kilometre kilometres kilometer kilometers",
    "inch": "inches", "ft": "feet foot", "yd": "yard yards",
    "kg": "kilo kilos kilogram kilograms", "g": "gram grams", "mg": "milligram milligrams",
    "lb": "lbs pound pounds", "oz": "ounce ounces", "ml": "millilitre millilitres milliliter milliliters",
    "cl": "", "dl": "", "l": "litre litres liter liters", "gal": "gallon gallons",
    "pack": "packs pk", "pc": "pcs piece pieces", "ct": "count", "dpi": "", "rpm": "", "fps": "",
    "mp": "megapixel megapixels", "db": "decibel decibels", "lm": "lumen lumens", "bit": "bits",
    "mbps": "", "gbps": "", "psi": "", "nm": "", "year": "years yr yrs", "month": "months", "ply": "", "seater": "",
}  # fmt: skip
# "2 in 1" is no length, so these count only right behind the number.
_GLUED = {"in": "inch", "a": "a", "k": "k", "p": "p"}

# spelling -> canonical
UNITS = {s: unit for unit, more in _SPELLINGS.items() for s in (unit, *more.split())}
GLUED_UNITS = dict(_GLUED)
MARKS = {'"': "inch", "”": "inch", "″": "inch", "′′": "inch", "''": "inch"}
