"""The web face: an HTTP API, a live stream and pages for a browser, all on `api.Core`."""
