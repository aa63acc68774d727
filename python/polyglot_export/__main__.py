"""``python -m polyglot_export``: the command ``polyglot``, where its script is not on the path."""

from polyglot_export.cli.start import main

if __name__ == "__main__":
    main()
