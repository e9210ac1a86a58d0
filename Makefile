# `make demo` and `make test` set up what they need; what is already there is reused.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test matrix faults flaws fuzz soak bench gpu lint types lock clean

help:
	@echo "make demo   set up and write the demo report to demo-report/"
	@echo "make test   set up and pass the checks and tests (JOBS=$(JOBS) at a time)"
	@echo "make matrix the tours of many and large networks that make test leaves out"
	@echo "make faults kills, full disks and races by the hundred: neither report is ever half (POINTS=200)"
	@echo "make flaws  plants faults in small networks and sets; what the audit says of each, as a table"
	@echo "make fuzz   changed files at every door for ten minutes each (FUZZ=\"--seconds 60 --only image\")"
	@echo "make soak   20,000 small images, whose memory must stay flat (SOAK=\"--images 2000\")"
	@echo "make bench  speed and memory on this machine, beside other packages, as tables (BENCH=\"--only start\")"
	@echo "make gpu    CUDA against the CPU: every map, speed, too little memory (needs a CUDA device; GPU=\"--only maps\")"
	@echo "make setup  only make .venv      make lock  pin new versions      make clean"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "error: $(PYTHON) is missing or older than 3.10" >&2; \
		     echo "remedy: make $(MAKECMDGOALS) PYTHON=/path/to/python3.10-or-newer" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "remedy: install Python's venv (Debian: apt-get install python3-venv)" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@# the distribution had another name once; it goes first, or it would take the new one's command along
	@$(BIN)/python -m pip uninstall -qqq --yes --disable-pip-version-check reportgen
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	$(BIN)/reportgen demo --out demo-report

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

# -rs lists what is skipped and why; one thread a worker, or the workers fight for the cores
test: export OMP_NUM_THREADS ?= 1
test: lint types
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -rs -q

matrix: export OMP_NUM_THREADS ?= 1
matrix: $(READY)
	$(BIN)/python -m pytest -m matrix --timeout 1200 -n $(JOBS) --dist loadfile -rs -q

faults: export OMP_NUM_THREADS ?= 1
faults: $(READY)
	$(BIN)/python -m pytest -m faults -s -q tests/hostile/test_bad_nights.py

flaws: $(READY)
	PYTHONPATH=tests $(BIN)/python -m flaws --say

fuzz: $(READY)
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ)

soak: $(READY)
	PYTHONPATH=tests $(BIN)/python -m soak $(SOAK)

bench: $(READY)
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

gpu: $(READY)
	PYTHONPATH=tests $(BIN)/python -m bench.gpu $(GPU)

lock: $(READY)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.10 --all-extras --quiet \
		--no-annotate --no-strip-extras --custom-compile-command "make lock" --output-file requirements.lock

clean:
	rm -rf demo-report demo-report-input build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
