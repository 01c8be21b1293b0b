"""The command line `imagegen`: a client of any deployment over HTTP.

It imports nothing of the service, and needs only the packages of requirements-cli.in.
"""
