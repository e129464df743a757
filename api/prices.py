"""How sums of dollars are marked. What a login without an API key has used is no bill: it is a list price."""


def price_mark(cost_usd: float, list_price_usd: float) -> str:
    """What belongs behind `cost_usd`, of which `list_price_usd` is no bill: nothing, or a mark in brackets."""
    if list_price_usd <= 0:
        return ""
    if list_price_usd > cost_usd - 0.00005:  # less is not shown, and may come of adding floats
        return " (list price)"
    return f" (${list_price_usd:,.4f} of it list price)"
