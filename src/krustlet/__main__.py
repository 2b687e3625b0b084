"""`python -m krustlet`: the command line without its script."""

from krustlet.cli import main

main()
