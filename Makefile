# `make app` installs everything and opens the app; `make test` installs everything and runs the tests; `make check` runs
# the linters and the quick tests.
PYTHON ?= python3
# As tests/conftest.py sorts the files; by number of tests, those with one test of two minutes would come last.
IN_ORDER = --no-loadscope-reorder
# The tests of `make check`: what starts neither an engine nor a browser and is not slow, on all cores.
QUICK = not engine and not browser and not slow and not thorough
PARALLEL = -n auto --dist loadfile $(IN_ORDER)
# All others: what starts engines on one worker, the rest on two more. On two cores a third worker computes while others
# wait for pages, processes and time-outs.
SHARED = -n 3 --dist loadgroup $(IN_ORDER)

.PHONY: app test check install lint bench bench-keyframes bench-keyframes-sets bench-analysis bench-ask bench-api bench-endurance bench-fleet torture proofs pins release site sbom audit sample models

app:
	$(PYTHON) scripts/bootstrap.py app

# First the tests of `make check`, then, also if one of them fails, all others.
test:
	failed=0; $(PYTHON) scripts/bootstrap.py test -m "$(QUICK)" $(PARALLEL) || failed=1; \
	  $(PYTHON) scripts/bootstrap.py test -m "(engine or browser or slow) and not thorough" $(SHARED) || \
	  failed=1; exit $$failed

# The linters, then every test that needs neither an engine nor a browser and is not slow, on all cores.
check: lint
	$(PYTHON) scripts/bootstrap.py test -m "$(QUICK)" $(PARALLEL)

install:
	$(PYTHON) scripts/bootstrap.py install

lint:
	$(PYTHON) scripts/bootstrap.py develop
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports && \
	  .venv/bin/deptry app framelens && .venv/bin/python scripts/check_words.py && \
  .venv/bin/python scripts/make_site.py

bench:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks

# FrameLens beside other tools, which are installed under WORK. Everything may be left out: VIDEOS (folders of videos with
# truth.json) and JUDGE (the folder of eval_events.py) to measure how much is seen; CLIPS, footage that the files for
# speed and memory are made of, or FILES, such files themselves; ONLY of events, shots, pace, limit, speed, memory, first.
bench-keyframes:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.keyframes \
	  $(if $(VIDEOS),--videos $(VIDEOS)) $(if $(JUDGE),--judge $(JUDGE)) $(if $(CLIPS),--clips $(CLIPS)) \
	  $(if $(FILES),--files $(FILES)) $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(WORK),--work $(WORK)) $(if $(OUT),--out $(OUT))

# Sets for VIDEOS: of CLIPS (clips or folders) and footage drawn by code, composed by make_events.py in JUDGE; a folder in
# OUT for each of SEEDS. Clips belong to one HALF, tune or held; or BACKGROUNDS and INSERTS are given by hand.
bench-keyframes-sets:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.keyframes.compose \
	  $(if $(CLIPS),--clips $(CLIPS)) $(if $(BACKGROUNDS),--backgrounds $(BACKGROUNDS) --inserts $(INSERTS)) \
	  --judge $(JUDGE) --out $(OUT) --seeds $(SEEDS) $(if $(HALF),--half $(HALF)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(EVENTS),--only $(EVENTS))

# Whole analyses against raw requests, and what they hold in memory. ONLY of throughput, vllm, first, memory, large.
bench-analysis:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.analysis \
	  $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(WORK),--work $(WORK))

# Questions through the real engine. FOOTAGE, a folder of real videos, in which cards are planted; ONLY of when, moment,
# followup, many; MINUTES, the lengths of the videos with planted cards.
bench-ask:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.ask \
	  $(if $(FOOTAGE),--footage $(FOOTAGE)) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(WORK),--work $(WORK))

# The HTTP API of the app with CLIENTS (50) at once, ROUNDS of requests each.
bench-api:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.plugins.server.api \
	  $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(ROUNDS),--rounds $(ROUNDS))

# An hour of video through the real engine, once undisturbed and once killed by signal 9 and begun again.
bench-endurance:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.endurance \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FRAMES),--frames $(FRAMES)) $(if $(WORK),--work $(WORK))

# 200 short videos on a Ray cluster of two nodes on this machine. FOOTAGE, a folder of real videos that clips are cut from
# (else cards are drawn); VIDEOS, their number; ONLY of overhead, scaling, kills.
bench-fleet:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.plugins.batch \
	  $(if $(FOOTAGE),--footage $(FOOTAGE)) $(if $(VIDEOS),--videos $(VIDEOS)) $(if $(ONLY),--only $(ONLY)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(WORK),--work $(WORK))

# Kills, full disks, hostile files, load and attacks at full size, with a table of what was lost or crashed. ONLY some of
# the parts; SHARE, a part of the full size; SEED.
torture:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python -m benchmarks.torture $(ONLY) \
	  $(if $(SHARE),--share $(SHARE)) $(if $(SEED),--seed $(SEED)) $(if $(WORK),--work $(WORK))

# What `make test` leaves out: more ways to the same answer, more sizes and languages of a page, more starts of the real
# engine. Run it before a release, and after a change to what it proves.
proofs:
	$(PYTHON) scripts/bootstrap.py test -m thorough $(SHARED)

# Exact versions and hashes of everything, for both engines and for the tools that install it; run it after a change of
# pyproject.toml.
pins:
	$(PYTHON) scripts/bootstrap.py develop
	for engine in cpu gpu; do .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --extra app --extra $$engine --extra mcp --extra fleet --extra oidc --group dev --no-header --no-annotate --quiet \
	  --output-file constraints/$$engine.txt; done
	grep -o "^uv==[0-9.]*" constraints/uv.txt | .venv/bin/uv pip compile - --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --quiet --output-file constraints/uv.txt
	printf "setuptools>=77\nwheel\ncmake\n" | .venv/bin/uv pip compile - --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --quiet --output-file constraints/build.txt

# A release of VERSION, up to its tag; nothing is pushed. CHECKED=1: linters and tests have passed already.
release:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python scripts/release.py "$(VERSION)" $(if $(CHECKED),--checked)

# The documents as a site in OUT (site), in English and below zh/ in Chinese. A link that leads nowhere ends with an error.
site:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python scripts/make_site.py $(OUT)

# What comes with FrameLens: licences against NOTICE, then a bill of materials (CycloneDX) in OUT.
sbom:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python scripts/list_licences.py --check NOTICE && \
	  .venv/bin/python scripts/write_sbom.py $(or $(OUT),sbom.json)

# The pins in a database of known vulnerabilities. Exit code 3: none can be reached, so nothing was checked.
audit:
	$(PYTHON) scripts/bootstrap.py develop && .venv/bin/python scripts/audit_pins.py

sample:
	.venv/bin/python scripts/make_sample.py

models:
	.venv/bin/python scripts/train_test_models.py --out tests/fixtures
