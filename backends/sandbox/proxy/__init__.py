"""The proxy of sandboxes with a limited network: a process that outlives the bridge and listens inside."""
