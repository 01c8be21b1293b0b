"""`python -m imagegen.cli`, the same as the console script `imagegen`."""

from imagegen.cli.main import main

if __name__ == "__main__":
    main()
