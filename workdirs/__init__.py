"""Work directories: checkpoints of all their files, restore, directories of their own for branches, merge.

Knows no Claude, no Discord, no session and no setting. It gets paths, opaque owners and anchors, caps and a
clock, and returns values. `workdirs/git.py` is the only file of the project that starts git.
"""
