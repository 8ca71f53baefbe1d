PYTHON ?= python3
ARGS ?=

INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input
LOCK = .venv/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
# All tests run in several processes: most of the time they wait. Whichever is done first takes over of
# what another has left. Some tests alone run in one, where -s works.
PROCESSES = $(if $(COVERAGE),3,4)
SIDE_BY_SIDE = $(if $(ARGS),,--numprocesses=$(PROCESSES) --dist=worksteal)
KEY_SCOPES = publish,subscribe,read,collect

# A line of .env, NAME=value, counts where the environment does not have NAME. The value is taken as
# it is, but for quotes around all of it: the shell would stumble over the & of an address.
READ_ENV = if [ -f .env ]; then number=0; while IFS= read -r line || [ -n "$$line" ]; do \
	number=$$((number + 1)); \
	line=$${line\#"$${line%%[![:space:]]*}"}; line=$${line%"$${line\#\#*[![:space:]]}"}; \
	case $$line in ''|'\#'*) continue;; 'export '*) line=$${line\#export };; esac; \
	name=$${line%%=*}; value=$${line\#*=}; \
	case $$name in "$$line"|''|*[!A-Za-z0-9_]*|[0-9]*) \
		echo "Line $$number of .env is not NAME=value, nor a comment that begins with a hash." >&2; \
		exit 1;; esac; \
	case $$value in \"*\") value=$${value\#?}; value=$${value%?};; \
		\'*\') value=$${value\#?}; value=$${value%?};; esac; \
	eval "[ -n \"\$${$$name+set}\" ]" || export "$$name=$$value"; \
	done < .env; fi

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run worker test coverage lint format key keys users lock bench

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: .venv/runtime  ## start Herald on http://localhost:1055 (with the settings of .env, if there is one)
	@$(READ_ENV); exec .venv/bin/gunicorn

worker: .venv/runtime  ## where REDIS_URL is set: store what was collected; ARGS=--lag: how far it is behind
	@$(READ_ENV); exec .venv/bin/python -m webapp.collect.worker $(ARGS)

test: .venv/development  ## run every test; ARGS="-k name" for some; COVERAGE=1 measures
ifdef COVERAGE
	.venv/bin/coverage erase
	@# A traced server is several times slower: a smaller crowd is held to the same bounds.
	HERALD_TEST_CROWD=$${HERALD_TEST_CROWD:-1200} .venv/bin/coverage run -m pytest $(SIDE_BY_SIDE) $(ARGS); \
		tested=$$?; .venv/bin/coverage combine --quiet; .venv/bin/coverage report && exit $$tested
else
	@# Servers are started by the hundred: what Python compiles for one is kept for the next.
	PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest $(SIDE_BY_SIDE) $(ARGS)
endif

coverage:  ## run every test and fail where too little of the code was run
	@$(MAKE) test COVERAGE=1

lint: .venv/development  ## check style and types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

format: .venv/development  ## put the code into the one form
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# What is printed here goes into a variable: nothing but the key may come out on stdout.
key: .venv/runtime  ## print a fresh API key: KEY=$(make -s key)
	@$(READ_ENV); exec .venv/bin/flask --app webapp keys issue --scopes $(KEY_SCOPES)

keys: .venv/runtime  ## issue, list and revoke API keys: make keys ARGS="list"
	@$(READ_ENV); exec .venv/bin/flask --app webapp keys $(ARGS)

users: .venv/runtime  ## make a link to sign in with, list users, sign one out: make users ARGS="login-link"
	@$(READ_ENV); exec .venv/bin/flask --app webapp users $(ARGS)

bench: .venv/development  ## measure Herald beside its peers, a quarter of an hour; ARGS=--quick: three minutes
	.venv/bin/python -m bench.run $(ARGS)
	$(if $(filter --quick,$(ARGS)),$(if $(filter --only,$(ARGS)),,.venv/bin/python -m bench.collect --quick))
	$(if $(filter --quick,$(ARGS)),$(if $(filter --only,$(ARGS)),,.venv/bin/python -m bench.hosts --quick))

lock: .venv/development  ## lock the dependencies of pyproject.toml at their newest versions
	@$(INSTALL) 'pip-tools>=7.6' >&2
	$(LOCK) --upgrade --output-file=requirements.txt pyproject.toml
	$(LOCK) --upgrade --extra=dev --output-file=requirements-dev.txt --constraint=requirements.txt pyproject.toml

# The environment is made anew where the making of it broke off, and what it holds is installed again
# only where a lock has changed.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Herald needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])' >&2
	@echo "Making .venv and installing the requirements; this happens once." >&2
	@$(PYTHON) -m venv .venv >&2 || { rm -rf .venv; exit 1; }

.venv/runtime: requirements.txt | .venv/bin/python
	@$(INSTALL) --require-hashes --requirement requirements.txt >&2
	@touch $@

.venv/development: requirements-dev.txt | .venv/bin/python
	@$(INSTALL) --require-hashes --requirement requirements-dev.txt >&2
	@touch $@
