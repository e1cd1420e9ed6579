"""What people and programs send in, checked. Pure."""

from decimal import Decimal, InvalidOperation

METHODS = ("ph", "chloride", "nitrate", "lead", "turbidity", "hardness")


def positive(text, default=None):
    """A positive whole number below 2^31, or the default."""
    short = bool(text) and len(text) <= 10 and text.isascii() and text.isdigit()
    return int(text) if short and 0 < int(text) < 2**31 else default


def entry(given):
    """(analysis, value, unit, person) out of a form or JSON object; raises ValueError with what is wrong."""
    analysis = positive(str(given.get("analysis_id", "")))
    unit, person = str(given.get("unit") or "mg/l"), str(given.get("person") or "")
    try:
        value = Decimal(str(given.get("value", "")).replace(",", "."))
    except InvalidOperation:
        raise ValueError("The value must be a number.") from None
    if analysis is None:
        raise ValueError("The analysis must be a number.")
    if not value.is_finite() or abs(value) >= 10**9:
        raise ValueError("The value must be a number below 1,000,000,000.")
    if not 0 < len(person) <= 40 or len(unit) > 12 or "\0" in person + unit:
        raise ValueError("Who enters the result must be named (up to 40 characters).")
    return analysis, value, unit, person
