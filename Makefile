# Every task of the course. `make` lists them; each installs what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROXY := $(VENV)/proxy/node_modules/.bin/configurable-http-proxy
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
CHAPTER ?=
EXERCISE ?=
PORT ?= 8888

.DEFAULT_GOAL := help
.PHONY: help install lab teach grade report fresh demo prove assets notebooks solutions check lint unit browser validate \
        sample mutants margins bench test

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable ".[test,hub]"
	@touch $@

# JupyterHub's proxy is a program for Node.js; without npm this is no error, except in CI, and tried again next time.
$(PROXY): | $(BIN)/python
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --no-package-lock \
	  --prefix $(VENV)/proxy configurable-http-proxy@5.3.0; \
	else echo "npm is missing, the hub's tests cannot run: install npm, then \`make browser\`"; \
	  test -z "$$CONVCRAFT_CI"; fi

install: $(VENV)/installed  ## install the course into .venv

lab: $(VENV)/installed  ## reader: open JupyterLab on your own copies in work/
	$(BIN)/convcraft lab --port $(PORT)

grade: $(VENV)/installed  ## mark what is in work/ and what students have submitted
	$(BIN)/convcraft grade --everything

fresh: $(VENV)/installed  ## reader: a new copy of CHAPTER=01_convolution, the old one kept
	$(BIN)/convcraft fresh "$(CHAPTER)"

teach: $(VENV)/installed  ## teacher: open JupyterLab with the formgrader
	$(BIN)/convcraft teach --port $(PORT)

report: $(VENV)/installed  ## teacher: where the class stumbles, as a table and as report.html
	$(BIN)/convcraft report

demo: $(VENV)/installed  ## a made-up class is released to, submits, is graded and checked
	$(BIN)/convcraft demo $(CHAPTER)

prove: $(VENV)/installed  ## author: who answers EXERCISE=conv2d, gets what
	$(BIN)/convcraft prove $(EXERCISE) $(CHAPTER)

assets: $(VENV)/installed  ## author: draw the figures (CHAPTER= for one)
	$(BIN)/convcraft build assets $(CHAPTER)

notebooks: $(VENV)/installed  ## author: write what students open
	$(BIN)/convcraft build notebooks $(CHAPTER)

solutions: $(VENV)/installed  ## author: run the reference solutions (CHAPTER= for one)
	$(BIN)/convcraft build solutions $(CHAPTER)

check: $(VENV)/installed  ## is everything generated what the source gives?
	$(BIN)/convcraft check $(CHAPTER)

lint: $(VENV)/installed-test  ## ruff
	$(BIN)/ruff check

unit validate sample margins mutants: export OMP_NUM_THREADS = 1  # two processes at a time, a core each

unit: $(VENV)/installed-test  ## the unit tests
	$(BIN)/pytest -n 2 --dist loadgroup --ignore tests/browser

browser: $(VENV)/installed-test $(PROXY)  ## the tests in a real JupyterLab and JupyterHub
	$(BIN)/pytest -n 2 --dist loadfile tests/browser

validate: $(VENV)/installed-test  ## nbval re-runs solutions/ and compares the outputs
	$(BIN)/pytest --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg -n 2 --dist loadscope -p no:cacheprovider solutions

sample: $(VENV)/installed-test  ## two minutes of mutants
	$(BIN)/python bench/mutation.py --minutes 2

mutants: $(VENV)/installed-test  ## every mutant of every reference; the table goes to bench/README.md
	$(BIN)/python bench/mutation.py --write $(EXERCISE) $(CHAPTER)

margins: $(VENV)/installed-test  ## right and wrong answers over 50 secret seeds; the table goes to bench/README.md
	$(BIN)/python bench/margins.py --write $(EXERCISE) $(CHAPTER)

bench: $(VENV)/installed-test  ## the grader beside stock nbgrader; the table goes to bench/README.md
	$(BIN)/python bench/grading.py --write

test: $(VENV)/installed-test  ## everything that CI runs, each part timed
	@begin=$$(date +%s); table=""; \
	for part in lint check validate sample demo browser unit; do \
	  start=$$(date +%s); echo "== make $$part"; \
	  $(MAKE) --no-print-directory $$part || exit 1; \
	  table="$$table\n  $$part $$(( $$(date +%s) - start )) s"; \
	done; \
	printf "== time of each part:$$table\n  all $$(( $$(date +%s) - begin )) s\n"
