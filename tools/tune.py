"""Tune the generator to inverted pictures, so that it draws them exactly.

The tool is tf_idinvert/cli/tune.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("tune")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
