"""Restore pictures with a generator as prior: multi-code inversion (Gu et al. 2020, mGANprior), here for StyleGAN.

The tool is tf_idinvert/cli/restore.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("restore")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
