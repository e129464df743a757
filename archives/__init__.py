"""Session folders, bundles and backups as files: names, layout, manifests, ZIP archives, rotation.

Knows no Claude, no Discord, no session and no git. It gets names, texts, bytes and paths, and returns values.
"""
