"""The handlers of the API's routes, a file for each theme; `web.table` lists them all."""
