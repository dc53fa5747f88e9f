"""Write networks as a SavedModel that TensorFlow Serving loads as it is: encoding, inversion, sampling, manipulation.

The tool is tf_idinvert/cli/export.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("export")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
