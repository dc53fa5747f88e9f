# Every target does all it needs from a fresh clone. PYTHON chooses the interpreter, STACK the TensorFlow it gets:
#   make demo PYTHON=python3.12        make test STACK=current        make test STACK=2.15 PYTHON=python3.11
PYTHON ?= python3
STACK ?=
# The environments are installed without compiled files. Where Python is told to write none, every start, also of the
# tests' processes, would compile TensorFlow again, and take more than twice as long.
export PYTHONDONTWRITEBYTECODE =
ENVIRONMENT = environment=$$(.ci/environment "$(PYTHON)" "$(STACK)")

.PHONY: demo editor test test-current clean

demo:
	@$(ENVIRONMENT) && $$environment/bin/python tools/demo.py

editor:
	@environment=$$(.ci/environment "$(PYTHON)" "$(STACK)" editor) && $$environment/bin/python tools/editor.py --open

test:
	@$(ENVIRONMENT) && $$environment/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test-current:
	@$(MAKE) --no-print-directory test STACK=current

clean:
	rm -rf .venv .venv-current build dist *.egg-info .pytest_cache results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
