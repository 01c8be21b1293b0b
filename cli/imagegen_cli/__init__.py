"""The command line `imagegen`: a client of any deployment over HTTP.

It imports nothing else of this repository, and needs only the packages of requirements.in.
"""

__version__ = "0.1.0"
"""The service's: a test compares the two."""
