"""The whole method on the embedded model, offline: a page with everything the tools make of a few portraits.

The tool is tf_idinvert/cli/demo.py; this file runs it from a checkout.
"""
import sys

try:
    from tf_idinvert.cli import main

    main.run("demo")
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    sys.exit(130)
