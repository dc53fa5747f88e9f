"""Put edited faces back into their photographs.

The tool is tf_idinvert/cli/paste.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("paste")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
