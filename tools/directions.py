"""Find directions of edits without labels, or from a dozen pictures.

The tool is tf_idinvert/cli/directions.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("directions")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
