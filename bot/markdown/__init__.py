"""Claude's Markdown and other texts, made fit for Discord: pure text in, pure text out.

Hand-written line by line, without a CommonMark parser: Discord's dialect differs, the text is still growing
when it is shown, and a sealed post must not depend on later text.
"""
