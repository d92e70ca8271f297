# `make app` installs everything and opens the app; `make test` installs everything and runs the tests.
PYTHON ?= python3

.PHONY: app test install lint bench bench-keyframes pins sample models

app:
	$(PYTHON) scripts/bootstrap.py app

test:
	$(PYTHON) scripts/bootstrap.py test

install:
	$(PYTHON) scripts/bootstrap.py install

lint:
	$(PYTHON) scripts/bootstrap.py develop
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

bench:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks

# VIDEOS: a folder with truth.json; JUDGE: the folder of eval_events.py.
bench-keyframes:
	.venv/bin/python -m benchmarks.keyframes "$(VIDEOS)" "$(JUDGE)"

# Exact versions of everything, for both engines; run it after a change of pyproject.toml.
pins:
	$(PYTHON) scripts/bootstrap.py develop
	for engine in cpu gpu; do .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --extra $$engine --group dev --no-header --no-annotate --quiet --output-file constraints-$$engine.txt; done

sample:
	.venv/bin/python scripts/make_sample.py

models:
	.venv/bin/python scripts/train_test_models.py --out tests/fixtures
