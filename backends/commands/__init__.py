"""Shell commands that run outside of a host, each in the sandbox of its session, and outlive the bridge."""
