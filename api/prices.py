"""How sums of dollars are marked: usage through a login without an API key is a list price, not a bill."""


def price_mark(cost_usd: float, list_price_usd: float) -> str:
    """Return the mark to print after `cost_usd`, or "" if `list_price_usd`, its unbilled part, is 0."""
    if list_price_usd <= 0:
        return ""
    if list_price_usd > cost_usd - 0.00005:  # a smaller difference is not shown, and may be a rounding error
        return " (list price)"
    return f" (${list_price_usd:,.4f} of it list price)"
