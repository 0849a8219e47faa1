"""Durations, as people read them."""


def describe_duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> describe_duration(3.91), describe_duration(75), describe_duration(7260)
    ('3.9 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 0.1:
        return "< 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def describe_roughly(seconds: float) -> str:
    """Return an expected duration, of which two digits are known.

    Examples
    --------
    >>> [describe_roughly(seconds) for seconds in (0.2, 20, 84, 480, 9000)]
    ['1 second', '20 seconds', '1.4 minutes', '8 minutes', '2.5 hours']
    """
    amount, unit = max(seconds, 1), "second"
    for longer in ("minute", "hour"):
        if amount >= 60:
            amount, unit = amount / 60, longer
    text = f"{amount:.1f}".removesuffix(".0") if amount < 9.5 else f"{amount:,.0f}"
    return f"{text} {unit}" if text == "1" else f"{text} {unit}s"
