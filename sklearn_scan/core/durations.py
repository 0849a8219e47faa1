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
