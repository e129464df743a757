"""The pages: HTML made by the server, readable without scripts. `web.live` sends the same pieces again."""
