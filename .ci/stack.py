"""Which requirements suit this Python: prints `2.15` or `current` for the Makefile, and says so in one line on stderr.

    python .ci/stack.py [2.15|current]

Runs on any Python, old ones included, so that those get a clear line too. Exit code 2: no stack for this Python.
"""
import sys

# Stack: (oldest, newest Python, what it is, its file)
STACKS = {"2.15": ((3, 9), (3, 11), "TensorFlow 2.15 with Keras 2.15", "requirements.txt"),
          "current": ((3, 10), (3, 13), "TensorFlow 2.21 with Keras 3", "requirements-current.txt")}


def span(stack):
    return "Python %d.%d to %d.%d" % (STACKS[stack][0] + STACKS[stack][1])


def fits(stack, python):
    oldest, newest = STACKS[stack][:2]
    return oldest <= python <= newest


def choose(python, wanted=""):
    """(stack or None, line for the user)."""
    name = "Python %d.%d" % python
    if wanted and wanted not in STACKS:
        return None, "STACK=%s: expected one of %s" % (wanted, ", ".join(sorted(STACKS)))
    suiting = [stack for stack in sorted(STACKS) if fits(stack, python) and wanted in ("", stack)]
    if not suiting:
        offers = "; ".join("%s: %s" % (STACKS[stack][2], span(stack)) for stack in sorted(STACKS)
                           if wanted in ("", stack))
        return None, "%s is not supported by the TensorFlow releases tested here (%s): give PYTHON=python3.12" % (
            name, offers) if not wanted else "%s is not supported by STACK=%s (%s): give another PYTHON= or STACK=" % (
            name, wanted, offers)
    stack = suiting[0]
    other = "current" if stack == "2.15" else "2.15"
    choice = ("STACK=%s takes %s" % (other, STACKS[other][2]) if fits(other, python) else
              "STACK=%s needs %s, such as PYTHON=python3.11" % (other, span(other)) if other == "2.15" else
              "STACK=%s needs %s" % (other, span(other)))
    return stack, "%s: taking %s (%s); %s" % (name, STACKS[stack][2], STACKS[stack][3], choice)


if __name__ == "__main__":
    found, line = choose(tuple(sys.version_info[:2]), sys.argv[1] if len(sys.argv) > 1 else "")
    sys.stderr.write(line + "\n")
    if found is None:
        sys.exit(2)
    sys.stdout.write(found + "\n")
