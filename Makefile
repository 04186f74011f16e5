# Every task of the course. `make` lists them; each installs what it needs first.
PYTHON ?=
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
SITE := $(VENV)/site
PROXY := $(VENV)/proxy/node_modules/.bin/configurable-http-proxy
CHAPTER ?=
EXERCISE ?=
PORT ?= 8888
# A language counts if it is given to make: gettext has a variable of the same name.
SPOKEN = $(if $(findstring command,$(origin LANGUAGE)),--language $(LANGUAGE))
TORCH ?=
SHARD ?= 1/1
export PYTHON VENV CONSTRAINTS

# What `make test` runs, in this order, and what `make test-all` runs after it.
PARTS := lint check validate sample demo road unit
FURTHER := long chinese browser test-site test-wheel cluster

.DEFAULT_GOAL := help
.PHONY: help wheel test-wheel install system lab teach grade report fresh progress demo prove messages font assets notebooks solutions gallery check lint unit long coverage road \
        browser cluster validate chinese sample mutants margins bench test test-all further test-newest proof installed-test proxy site site-serve site-tools test-site

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install:  ## install the course into .venv
	@.ci/install

system:  ## install what the course uses beside Python: bubblewrap, and for the tests Chromium, a font, Node.js
	@.ci/system

installed-test:
	@.ci/install test

# JupyterHub's proxy is a program for Node.js; without npm the hub's tests are left out.
proxy: installed-test
	@test -e $(PROXY) || ! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --no-package-lock \
	  --prefix $(VENV)/proxy configurable-http-proxy@5.3.0

lab: install  ## reader: open JupyterLab on your own copies in work/ (LANGUAGE=zh: in Chinese)
	@$(BIN)/convcraft lab --port $(PORT) $(SPOKEN)

grade: install  ## mark what is in work/ and what students have submitted
	@$(BIN)/convcraft grade --everything

fresh: install  ## reader: a new copy of CHAPTER=01_convolution, the old one kept (LANGUAGE=zh)
	@$(BIN)/convcraft fresh "$(CHAPTER)" $(SPOKEN)

progress: install  ## reader: how far you are, and what comes next
	@$(BIN)/convcraft progress $(CHAPTER)

teach: install  ## teacher: open JupyterLab with the formgrader (LANGUAGE=zh: releases Chinese)
	@$(BIN)/convcraft teach --port $(PORT) $(SPOKEN)

report: install  ## teacher: where the class stumbles, as a table and as report.html
	@$(BIN)/convcraft report

demo:  ## a made-up class hands in, is graded and checked (CHAPTER=all: everybody)
	@.ci/system bwrap
	@.ci/install
	@$(BIN)/convcraft demo $(CHAPTER)

prove: install  ## author: who answers EXERCISE=conv2d, gets what
	$(BIN)/convcraft prove $(EXERCISE) $(CHAPTER)

assets: install  ## author: draw the figures (CHAPTER= for one)
	$(BIN)/convcraft build assets $(CHAPTER)

notebooks: install  ## author: write what students open
	$(BIN)/convcraft build notebooks $(CHAPTER)

solutions: install  ## author: run the reference solutions, and what the site shows of them (CHAPTER= for one)
	$(BIN)/convcraft build solutions $(CHAPTER)

gallery: install  ## author: what the site shows of the mistakes alone (CHAPTER= for one)
	$(BIN)/convcraft build gallery $(CHAPTER)

messages: install  ## author: bring what translators work on, source/*/zh.po, up to date
	$(BIN)/convcraft messages $(CHAPTER)

check: install  ## is everything generated what the source gives? (STRICT=1: and translated)
	$(BIN)/convcraft check $(if $(STRICT),--strict) $(CHAPTER)

font: install  ## author: cut the font for Chinese figures to the letters in use (needs Debian's fonts-noto-cjk)
	$(BIN)/convcraft build font

lint: installed-test  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/mypy

check unit long coverage road browser cluster validate sample margins mutants test-site: export OMP_NUM_THREADS = 1  # two processes at a time, a core each

UNIT := -n 2 --dist loadgroup --ignore tests/browser --ignore tests/site --ignore tests/cluster --ignore tests/test_wheel.py

unit: installed-test  ## the unit tests, but for those that take long
	$(BIN)/pytest $(UNIT) -m "not long"

long: installed-test  ## the unit tests that take long: attackers, a killed grader, other seeds and processors, every pair of mistakes
	$(BIN)/pytest $(UNIT) -m long

coverage: installed-test  ## which branches of convcraft/ the unit tests reach, forked children counted
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest $(UNIT)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

road: installed-test  ## one road through a real JupyterLab: a wrong answer, its mistake, the right answer
	$(BIN)/pytest -m road tests/browser

browser: proxy  ## all tests in a real JupyterLab and JupyterHub
	$(BIN)/pytest -n 2 --dist loadfile tests/browser

cluster: installed-test  ## the grader on many machines, hosts of the tests' own; a gradebook on PostgreSQL
	$(BIN)/pytest -n 2 --dist loadfile tests/cluster

# KaTeX, fonts and the tests' judge of accessibility come by npm, as site/package.json pins them.
site-tools:
	@.ci/system node
	@cmp -s site/package.json $(SITE)/package.json || { mkdir -p $(SITE) && cp site/package.json $(SITE) && \
	  npm install --silent --no-audit --no-fund --no-package-lock --prefix $(SITE) || { rm -f $(SITE)/package.json; exit 1; }; }

site: site-tools  ## the course as a website, in .site/html
	@.ci/install site
	@$(BIN)/convcraft build site

site-serve:  ## show that website on http://127.0.0.1:8888 (PORT= for another)
	@test -e .site/html/index.html || { echo "There is no website yet: make site" >&2; exit 1; }
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory .site/html $(PORT)

test-site: site-tools installed-test  ## the website in a real browser: links, search, languages, accessibility
	$(BIN)/pytest tests/site

SOLVED = solutions/$(if $(SPOKEN),$(addsuffix /,$(filter-out en,$(LANGUAGE))))$(or $(CHAPTER),*).ipynb

# The last chapters take longest, and come first. What there is not, pytest is given to say so.
validate: installed-test  ## nbval re-runs solutions/ and compares the outputs (CHAPTER= for one, LANGUAGE=zh: solutions/zh/)
	$(BIN)/pytest --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg -n 2 --dist loadscope -p no:cacheprovider \
	  $(or $(shell ls -r $(SOLVED) 2>/dev/null),$(SOLVED))

chinese:  ## nbval re-runs one chapter of solutions/zh/; `make proof` all of them
	@$(MAKE) --no-print-directory validate LANGUAGE=zh CHAPTER=02_pooling

wheel: install  ## the package and the course as one file in dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

test-wheel: installed-test  ## the wheel alone: installed elsewhere, every command, a class, a search for answers
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_wheel.py

sample: installed-test  ## some mutants: none survives that its exam does not list as equivalent
	$(BIN)/python bench/mutation.py --minutes 0.3

mutants: installed-test  ## every mutant of every reference (SHARD=i/n of them); the table goes to bench/README.md
	$(BIN)/python bench/mutation.py --write --shard $(SHARD) $(EXERCISE) $(CHAPTER)

margins: installed-test  ## right and wrong answers over 50 secret seeds (SHARD=i/n of the exercises)
	$(BIN)/python bench/margins.py --write --shard $(SHARD) $(EXERCISE) $(CHAPTER)

bench: installed-test  ## the grader beside stock nbgrader; the table goes to bench/README.md
	$(BIN)/python bench/grading.py --write

ifeq ($(TORCH),)
test:  ## all that a change must pass, minutes; TORCH=2.14.1: the held table and a chapter with that PyTorch
	@.ci/parts $(PARTS)
else
test:
	@$(MAKE) --no-print-directory VENV=.venv-torch-$(TORCH) CONSTRAINTS=.venv-torch-$(TORCH).txt TORCH= with-$(TORCH)
endif

# The whole of `make test TORCH=...`, in an environment of its own.
with-%:
	@sed 's/^torch==.*/torch==$*/' constraints.txt >$(CONSTRAINTS).new
	@cmp -s $(CONSTRAINTS).new $(CONSTRAINTS) || cp $(CONSTRAINTS).new $(CONSTRAINTS); rm $(CONSTRAINTS).new
	@.ci/install test
	$(BIN)/python -c "import torch; assert torch.__version__.partition('+')[0] == '$*', torch.__version__"
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 tests/test_held_table.py
	@$(MAKE) --no-print-directory validate CHAPTER=01_convolution

further:  ## what `make test-all` runs after `make test`: the whole browser, the hub, the wheel, many machines
	@.ci/parts $(FURTHER)

test-all:  ## make test, then the rest: the whole browser, the hub, the wheel, many machines
	@.ci/parts $(PARTS) $(FURTHER)

test-newest:  ## the unit tests and all chapters with the newest version of every package, in .venv-newest
	@$(MAKE) --no-print-directory VENV=.venv-newest CONSTRAINTS=/dev/null unit long validate

proof: mutants margins  ## every mutant, all seeds, a hundred kills, the whole made-up class: hours; goes on where it was interrupted
	@$(MAKE) --no-print-directory validate LANGUAGE=zh
	CONVCRAFT_KILLS=100 $(BIN)/pytest tests/test_grading_kept.py -k killed_at_any_moment
	@$(MAKE) --no-print-directory demo CHAPTER=all
