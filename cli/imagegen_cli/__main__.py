"""`python -m imagegen_cli`, the same as the console script `imagegen`."""

from imagegen_cli.main import main

if __name__ == "__main__":
    main()
