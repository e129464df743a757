"""Claude's Markdown and other texts, made fit for Discord: pure text in, pure text out.

Hand-written line by line, not on a CommonMark parser: Discord's dialect is another one, the text is still
growing when it is shown, and what a post has sealed must not depend on what follows.
"""
