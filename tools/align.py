"""Cut the faces out of photographs, aligned as networks expect them.

The tool is tf_idinvert/cli/align.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("align")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
