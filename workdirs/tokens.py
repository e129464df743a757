"""Estimate how many tokens a text costs, on the safe side, without a tokenizer."""

_ASCII_PER_TOKEN = 3


def estimated_tokens(text: str) -> int:
    """Return an upper estimate: three ASCII characters a token, one token for each byte of other characters.

    Source code and paths average three to four ASCII characters a token. A byte-level tokenizer needs at most
    one token for each byte, so text in other scripts is never underestimated.
    """
    size = len(text.encode(errors="surrogateescape"))
    others = size - sum(character.isascii() for character in text)
    return -(-(size - others) // _ASCII_PER_TOKEN) + others
