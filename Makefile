# Every target does all it needs from a fresh clone. PYTHON chooses the interpreter, e.g. make demo PYTHON=python3.10
PYTHON ?= python3
VENV := .venv
VENV_CURRENT := .venv-current

.PHONY: demo test test-current clean

demo: $(VENV)/installed
	$(VENV)/bin/python tools/demo.py

test: $(VENV)/installed
	$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile

test-current: $(VENV_CURRENT)/installed
	$(VENV_CURRENT)/bin/python -m pytest -q -n 2 --dist loadfile

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 9) <= v[:2] <= (3, 11) else "Python %d.%d: TensorFlow 2.15 needs Python 3.9, 3.10 or 3.11 (make PYTHON=python3.11 ...); for current TensorFlow there is: make test-current" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV_CURRENT)/installed: requirements-current.txt pyproject.toml
	$(PYTHON) -m venv $(VENV_CURRENT)
	$(VENV_CURRENT)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-current.txt
	@touch $@

clean:
	rm -rf $(VENV) $(VENV_CURRENT) build dist *.egg-info .pytest_cache results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
