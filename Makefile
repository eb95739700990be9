# `make run` sets up and starts the editor, `make test` sets up and runs every check. Another Python: make run PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
TEST_ENV := QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE HF_HUB_OFFLINE=1

.PHONY: run test check clean

run:
	$(PYTHON) scripts/bootstrap.py
	$(BIN)/psdstudio-gui

test:
	$(PYTHON) scripts/bootstrap.py --dev
	$(MAKE) --no-print-directory check
	$(TEST_ENV) $(BIN)/python -m pytest -q

# The checks that run no test, the fast ones first. Needs the environment that `make test` sets up.
check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python scripts/check_lengths.py
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy psdstudio tests scripts

clean:
	rm -rf .venv build dist psdstudio.egg-info tests/tools/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
