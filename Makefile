# `make run` sets up and starts the editor, `make test` sets up and runs every check. Another Python: make run PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
TEST_ENV := QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE HF_HUB_OFFLINE=1

.PHONY: run test test-slow check bundle clean

run:
	$(PYTHON) scripts/bootstrap.py
	$(BIN)/psdstudio-gui

test:
	$(PYTHON) scripts/bootstrap.py --dev
	$(MAKE) --no-print-directory check
	$(TEST_ENV) $(BIN)/python -m pytest -q -m "not slow"

# What takes minutes: a thousand keep requests, the shipped weights, the example scenes painted again.
test-slow:
	$(PYTHON) scripts/bootstrap.py --dev
	$(TEST_ENV) $(BIN)/python -m pytest -q -m slow

# The checks that run no test, the fast ones first. Needs the environment that `make test` sets up.
check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python scripts/check_lengths.py
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy psdstudio tests scripts packaging/smoke_test.py packaging/icons/render.py

# A folder in dist/ that runs without Python; takes some minutes.
bundle:
	$(PYTHON) scripts/bootstrap.py
	$(BIN)/python -m pip install --quiet -c requirements-dev.txt -e ".[packaging]"
	$(BIN)/pyinstaller --noconfirm --log-level WARN packaging/psdstudio.spec
	$(BIN)/python packaging/smoke_test.py

clean:
	rm -rf .venv build dist psdstudio.egg-info tests/tools/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
