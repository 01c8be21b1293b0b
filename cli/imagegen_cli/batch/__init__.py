"""`imagegen batch`: a request per line of a file, drawn and paid once, however often the command is interrupted."""
