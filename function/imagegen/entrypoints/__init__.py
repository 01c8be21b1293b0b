"""One thin module per Lambda function: parse the event, make one service call, render the response."""
