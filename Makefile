# make demo [TEXT="..."]   annotate an abstract, and TEXT, in a virtual environment made for it
# make test                lint, types, tests of the built wheel and the docs, and that wheel alone in a clean environment
# make docs                the documentation as a site, in site/
# make pythons             the wheel under each Python from 3.10 to 3.13 that is there
# make lowest              the wheel with the lowest versions that pyproject.toml allows (PyTorch's: of constraints.txt)
# make browser             the report's page and the visualizer in Chromium (Debian: chromium, chromium-driver)
# make pictures            the docs' pictures of pages, by the same Chromium
# make coverage            the tests once more, with the lines and branches that they reach: 95% at least
# make measure             measures again what was measured with other weights than the shipped (needs assets/ and corpus/)
# make mutation            small faults in some modules, one by one, and whether the tests notice: metrics/mutation.md
# make soak                longer checks: 10,000 examples of each property, 20,000 abstracts, damaged files
# make attack              hostile models, files and folders, and a table of what happened
# make audit               known vulnerabilities of the versions in constraints.txt (asks PyPI)
# make big                 a file of 1 GB: killed, continued, stopped after ten minutes
# make pubmed              a day of PubMed: 30,000 citations annotated, killed, continued, converted (half an hour)
# make format | clean

PYTHON ?= python3
DEMO_VENV = .venv
TEST_VENV = .venv-test
SMOKE_VENV = .venv-smoke
LOWEST_VENV = .venv-lowest
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# TEXT reaches the demo through the environment, dollar signs and quotes as they were typed.
ifdef TEXT
override TEXT := $(value TEXT)
export TEXT
endif

# The tests of a file share what is slow to make: models, Ray.
SIDE_BY_SIDE = --numprocesses=2 --dist=loadfile

VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
PACKAGE = pyproject.toml constraints.txt README.md $(wildcard craftner_spacy/*.py craftner_spacy/*/*)

.PHONY: demo test lint unit smoke docs pythons lowest browser pictures coverage measure mutation soak attack audit big pubmed format clean
.NOTPARALLEL:

demo: $(DEMO_VENV)/.installed
	$(DEMO_VENV)/bin/python scripts/docs/demo.py

# An old build/ would lend its files to the new install.
$(DEMO_VENV)/.installed: $(PACKAGE)
	test -x $(DEMO_VENV)/bin/pip || $(PYTHON) -m venv --clear $(DEMO_VENV)
	rm -rf build
	$(DEMO_VENV)/bin/python $(PIP_INSTALL) .
	touch $@

test: lint unit smoke

lint: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/ruff check .
	$(TEST_VENV)/bin/ruff format --check .
	$(TEST_VENV)/bin/mypy

# `pytest`, not `python -m pytest`: the latter would put this folder, and so the sources, on the path.
unit: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/pytest $(SIDE_BY_SIDE)

# Only what hypothesis draws gains from more examples.
soak: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/pytest --hypothesis-profile=soak -m hypothesis
	PYTHONPATH=tests/helpers $(TEST_VENV)/bin/python tests/programs/soak.py
	PYTHONPATH=tests/helpers $(TEST_VENV)/bin/python tests/programs/fuzz.py --minutes 10

attack: $(TEST_VENV)/.installed
	PYTHONPATH=tests/helpers $(TEST_VENV)/bin/python tests/programs/attack.py

# These do not reach the package: docs/robustness.md says why of each. What cannot be looked up is an error.
UNREACHED = GHSA-29pf-2h5f-8g72 CVE-2026-4372 CVE-2026-1839
audit: $(TEST_VENV)/.tools
	$(TEST_VENV)/bin/python $(PIP_INSTALL) pip-audit
	$(TEST_VENV)/bin/python -m pip_audit --strict --disable-pip --no-deps --requirement constraints.txt \
		$(UNREACHED:%=--ignore-vuln %)

big: $(TEST_VENV)/.installed
	PYTHONPATH=scripts/measure $(TEST_VENV)/bin/python tests/programs/big_file.py

pubmed: $(TEST_VENV)/.installed
	PYTHONPATH=scripts/measure $(TEST_VENV)/bin/python tests/programs/pubmed_day.py

# Nothing but the wheel, a packaged pipeline, and what these ask for.
smoke: $(TEST_VENV)/.packaged
	$(PYTHON) -m venv --clear $(SMOKE_VENV)
	$(SMOKE_VENV)/bin/python $(PIP_INSTALL) dist/*.whl
	$(SMOKE_VENV)/bin/python -m pip check
	$(SMOKE_VENV)/bin/python $(PIP_INSTALL) $(TEST_VENV)/packages/*/dist/*.whl
	$(SMOKE_VENV)/bin/python -m pip check
	$(SMOKE_VENV)/bin/python -I -W error tests/programs/smoke.py

$(TEST_VENV)/.packaged: $(TEST_VENV)/.installed scripts/recipe/assemble.py metrics/small.json
	$(TEST_VENV)/bin/python scripts/recipe/assemble.py small $(TEST_VENV)/pipeline --package-name craft_ner_sm \
		--version $(VERSION) --metrics metrics/small.json
	rm -rf $(TEST_VENV)/packages && mkdir $(TEST_VENV)/packages
	$(TEST_VENV)/bin/python -m spacy package $(TEST_VENV)/pipeline $(TEST_VENV)/packages \
		--name craft_ner_sm --version $(VERSION) --build wheel > $(TEST_VENV)/package.log 2>&1 \
		|| { cat $(TEST_VENV)/package.log; exit 1; }
	touch $@

# `make unit` builds it too, for the tests of the docs.
docs: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/sphinx-build --quiet --fail-on-warning docs site

pythons: $(TEST_VENV)/.packaged
	$(TEST_VENV)/bin/python scripts/docs/pythons.py dist/*.whl $(TEST_VENV)/packages/*/dist/*.whl

# Of PyTorch's old versions there is no CPU build everywhere. Tests that need extras that are not installed are
# skipped; of `ontologies` obonet alone is, since pronto needs NumPy 2.
lowest: $(TEST_VENV)/.installed
	$(PYTHON) -m venv --clear $(LOWEST_VENV)
	$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv
	grep '^torch==' constraints.txt > $(LOWEST_VENV)/torch.txt
	$(LOWEST_VENV)/bin/uv pip compile --quiet --python $(LOWEST_VENV)/bin/python --resolution lowest-direct \
		--extra formats --override $(LOWEST_VENV)/torch.txt --output-file $(LOWEST_VENV)/lowest.txt pyproject.toml
	set -- dist/*.whl; $(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(LOWEST_VENV)/lowest.txt "$$1[formats]" hypothesis "obonet==1.1.*" pytest
	$(LOWEST_VENV)/bin/python -m pip check
	PYTHONPATH=tests/helpers $(LOWEST_VENV)/bin/pytest tests/unit -p without_extras

browser: $(TEST_VENV)/.browser
	$(TEST_VENV)/bin/pytest tests/programs/browser.py

pictures: $(TEST_VENV)/.browser
	$(TEST_VENV)/bin/python scripts/docs/pictures.py docs

# What serves and drives a page is no part of `make test`.
$(TEST_VENV)/.browser: $(TEST_VENV)/.installed
	set -- dist/*.whl; $(TEST_VENV)/bin/python $(PIP_INSTALL) "$$1[browser]"
	touch $@

coverage: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/pytest $(SIDE_BY_SIDE) --cov

measure: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/python scripts/measure/stale.py --run

# mutmut keeps results when tests change, so each run begins anew.
mutation: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/python $(PIP_INSTALL) mutmut
	rm -rf mutants
	$(TEST_VENV)/bin/python scripts/measure/mutation.py

$(TEST_VENV)/.tools: pyproject.toml constraints.txt
	test -x $(TEST_VENV)/bin/pip || $(PYTHON) -m venv --clear $(TEST_VENV)
	$(TEST_VENV)/bin/python $(PIP_INSTALL) build
	touch $@

# pip leaves an installed package alone where the version is the same: so it goes first.
$(TEST_VENV)/.installed: $(TEST_VENV)/.tools $(PACKAGE)
	rm -rf dist
	$(TEST_VENV)/bin/python -m build --outdir dist . > $(TEST_VENV)/build.log 2>&1 || { cat $(TEST_VENV)/build.log; exit 1; }
	$(TEST_VENV)/bin/python -m pip uninstall --quiet --yes craftner_spacy
	set -- dist/*.whl; $(TEST_VENV)/bin/python $(PIP_INSTALL) "$$1[dev]"
	touch $@

format: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/ruff check --fix .
	$(TEST_VENV)/bin/ruff format .

clean:
	rm -rf $(DEMO_VENV) $(TEST_VENV) $(SMOKE_VENV) $(LOWEST_VENV) build dist mutants site *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
