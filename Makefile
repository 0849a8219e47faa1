# `make demo` and `make test` are all a newcomer needs; both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow test-oldest faults audit lint docs bench clean

demo: $(READY)
	$(BIN)/python examples/demo.py

test: $(READY)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow" --cov --cov-report=
	$(BIN)/python tests/faults/coverage_bars.py

test-slow: $(READY)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m slow

test-oldest: $(READY)
	$(BIN)/python tests/faults/oldest_versions.py $(VENV)-oldest

# A few hours: each runs to its end, and the first that breaks a promise stops the others.
faults: $(READY)
	$(BIN)/python tests/faults/kill_each_operation.py
	$(BIN)/python tests/faults/torn_states.py
	$(BIN)/python tests/faults/kill_at_random.py
	$(BIN)/python tests/faults/raise_errors.py
	$(BIN)/python tests/faults/mutate_images.py
	$(BIN)/python tests/faults/mutate_files.py
	$(BIN)/python tests/faults/any_input.py
	$(BIN)/python tests/faults/soak.py
	$(BIN)/python tests/faults/mutate_code.py

# Error 1 is a vulnerability. With 2 (no pip-audit) or 3 (no database) nothing was audited.
audit: $(READY)
	$(BIN)/python tests/faults/audit.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/sphinx-build -q -b html -W --keep-going -d docs/_build/doctrees docs docs/_build/html
	@echo "The documentation: docs/_build/html/index.html"

bench: $(READY)
	$(BIN)/python examples/benchmarks/digits.py
	$(BIN)/python examples/benchmarks/import_time.py
	$(BIN)/python examples/benchmarks/threads.py
	$(BIN)/python examples/benchmarks/heads.py
	$(BIN)/python examples/benchmarks/embed.py
	$(BIN)/python examples/benchmarks/augment.py
	$(BIN)/python examples/benchmarks/training.py
	$(BIN)/python examples/benchmarks/steps.py
	$(BIN)/python examples/benchmarks/scratch.py
	$(BIN)/python examples/benchmarks/checkpoint.py
	$(BIN)/python examples/benchmarks/frozen.py speed
	$(BIN)/python examples/benchmarks/frozen.py --again
	$(BIN)/python examples/benchmarks/jule.py --json jule/results.json --again
	$(BIN)/python examples/benchmarks/paper.py --quick
	$(BIN)/python examples/benchmarks/report.py
	$(BIN)/python examples/benchmarks/neighbors.py exact million growth fit

clean:
	rm -rf $(VENV) $(VENV)-oldest build *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	rm -rf docs/_build docs/gallery docs/sg_execution_times.rst docs/api/generated docs/api/examples

$(READY): pyproject.toml
	@echo "Making the environment in $(VENV): a few minutes, since PyTorch is large."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
