# What a new machine needs: Python 3.11+, pip and make. Everything else goes to .venv.
PYTHON ?= python3
BIN := .venv/bin
# Test files at a time; most of them wait for something most of the time.
JOBS ?= 3
READY := .venv/.ready

.PHONY: help demo up test chaos storms docker check format lock docs clean

help:
	@echo 'make demo    the main job, live, on an embedded Redis (KEEP=1: stay up)'
	@echo 'make up      workers, beat and Flower for your own work; Ctrl-C stops them'
	@echo 'make test    the tests'
	@echo 'make chaos   10,000 jobs while everything is killed (CHAOS=--quick: 300)'
	@echo 'make storms  the tests that do so; the machine should do nothing else'
	@echo 'make docker  the images, built, and the tests of what is shipped (needs Docker)'
	@echo 'make check   the gate: lint, types, layers'
	@echo 'make format  what the gate can mend by itself'
	@echo 'make lock    requirements.lock anew from pyproject.toml'
	@echo 'make docs    docs/settings.md and docs/jobs.md anew'

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Limpet needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

demo: $(READY)
	@$(BIN)/python -m lab.demo

up: $(READY)
	@exec $(BIN)/python manage.py up

# Those of what is shipped are `make docker`. What takes long begins first, see
# tests/conftest.py.
test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder \
	  --ignore tests/docker

chaos: $(READY)
	@$(BIN)/python -m tests.chaos.storm $(CHAOS)

# One at a time: what they find must not depend on a machine that is too busy.
storms: $(READY)
	$(BIN)/python -m pytest -m storm tests/chaos

# The file asks for passwords, which no image gets. The plugins bring containers as
# fixtures, and start slowly: other tests go without.
docker: $(READY)
	BROKER_PASSWORD=- SESSIONS_PASSWORD=- POSTGRES_PASSWORD=- LIMPET_STATE_KEYS=- \
	  FLOWER_BASIC_AUTH=- docker compose --profile demo build --quiet
	$(BIN)/python -m pytest -p pytest_docker_tools.plugin -p pytest_celery.plugin \
	  -n $(JOBS) --dist loadfile --require-docker tests/docker

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/codespell
	$(BIN)/loq
	@if command -v luacheck >/dev/null; then luacheck -q health history limpet politeness proxies results sessions tasks; \
	elif [ -n "$$CI" ]; then echo 'luacheck is missing: apt-get install lua-check'; exit 1; \
	else echo 'luacheck is not installed (Debian: lua-check): Lua was not linted'; fi

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --all-extras pyproject.toml -o requirements.lock

docs: $(READY)
	$(BIN)/python manage.py settings --markdown > docs/settings.md
	$(BIN)/python manage.py jobs --markdown > docs/jobs.md

clean:
	rm -rf .venv .limpet
