"""Edit pictures in the browser, on this machine.

The tool is tf_idinvert/cli/editor.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("editor")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
