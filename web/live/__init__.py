"""The live stream: events of a session as changes of the page's pieces, over one WebSocket for each tab."""
