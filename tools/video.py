"""Change an attribute of a face in a video.

The tool is tf_idinvert/cli/video.py; this file runs it from a checkout.
"""
import sys

if __name__ == "__main__":      # processes of its own import this file, too
    try:
        from tf_idinvert.cli import main

        main.run("video")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
