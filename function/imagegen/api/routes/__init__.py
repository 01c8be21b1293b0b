"""One module per resource. A route parses the request, makes one service call and renders the response."""
