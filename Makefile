# Two commands: `make demo` (STACK=ipv4|dual-stack|ipv6, PRIMARY=ipv4|ipv6) and `make test`. Both install everything that they need.
SHELL := /bin/bash
STACK ?= dual-stack
PRIMARY ?= ipv4
# four processes: three run the tests with hosts, one runs all others (tests/conftest.py); --no-loadscope-reorder: tests with hosts start first
PYTEST ?= -q --durations=20 -n 4 --dist loadscope --no-loadscope-reorder
# Debian's own first: it is built with profile-guided optimisation, and 1.2 times as fast as one of pyenv (measured)
PYTHON := $(shell for p in /usr/bin/python3 python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# else every process would compile our modules again
unexport PYTHONDONTWRITEBYTECODE
SIXSTACK := .venv/bin/sixstack
INSTALLED := .venv/.installed-$(shell cat pyproject.toml requirements.lock | sha256sum | cut -c1-16)

PRODUCTION := .venv/.installed-run-$(shell cat pyproject.toml requirements-run.lock | sha256sum | cut -c1-16)

.PHONY: install demo case-1 case-2 test test-long programs-of-tests programs-of-long-tests check clean-demo lock bench audit-packages help

help:
	@sed -n '1p' Makefile; echo "targets: install demo case-1 case-2 clean-demo test test-long check bench lock audit-packages"

# $(1): the lock file
define INSTALL
	@if [ -z "$(PYTHON)" ]; then echo "installing: Debian package python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; fi
	@echo "installing: $$(grep -c == $(1)) Python packages of $(1) into .venv"
	@test -x .venv/bin/python || $(or $(PYTHON),/usr/bin/python3) -m venv .venv
	@# -c: without it, pip takes the newest version of a package that another one requires with an extra, such as sqlalchemy[asyncio]
	@.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1) -c $(1)
	@.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@.venv/bin/python -m compileall -q -j 0 .venv/lib || true  # saves one second at every start of a command
	@rm -f .venv/.installed-*; touch $@
endef

$(INSTALLED):
	$(call INSTALL,requirements.lock)

$(PRODUCTION):
	$(call INSTALL,requirements-run.lock)

# for your own machines: without the tools of development, unless they are there already
install: $(if $(wildcard $(INSTALLED)),,$(PRODUCTION))
	@echo "installed: $(CURDIR)/$(SIXSTACK)"; echo "Next: $(SIXSTACK) setup"

demo: $(INSTALLED)
	@$(SIXSTACK) demo --stack $(STACK) --primary $(PRIMARY)

case-1 case-2: $(INSTALLED)
	@$(SIXSTACK) demo --case $(@:case-%=%)

clean-demo: $(INSTALLED)
	@$(SIXSTACK) demo --clean

check: $(INSTALLED)
	.venv/bin/ruff check --no-cache .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

programs-of-tests: $(INSTALLED)
	@for need in sshd:openssh-server ssh:openssh-client; do \
	  PATH="$$PATH:/usr/sbin" command -v "$${need%%:*}" >/dev/null || missing="$$missing $${need##*:}"; done; \
	if [ -n "$$missing" ]; then echo "installing: Debian packages$$missing (the tests start SSH servers on loopback)"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
	@$(SIXSTACK) lab bundle

test: check programs-of-tests
	.venv/bin/python -m pytest $(PYTEST)

# their services are of no use to the tests, which start servers of their own
programs-of-long-tests: programs-of-tests
	@test -x /usr/sbin/nginx || missing=nginx; ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	if [ -n "$$missing" ]; then echo "installing: Debian packages $$missing (the tests start servers on loopback)"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null && \
	  { systemctl disable -q --now $$missing 2>/dev/null || true; }; fi

# longer matrices, one test at a time; the first run also builds the bundles of all releases
test-long: programs-of-long-tests
	.venv/bin/python -m pytest -q --durations=20 -m long

bench: $(INSTALLED)
	@$(SIXSTACK) lab bundle
	.venv/bin/python -m benchmarks.create_flow

# the second lock, for installations of your own, is the first without the tools of development
COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --extra install
lock: $(INSTALLED)
	$(COMPILE) --extra dev -o requirements.lock
	$(COMPILE) -c requirements.lock -o requirements-run.lock

# known vulnerabilities of the pinned packages; needs internet access, so CI does not run it. --strict: a package that cannot be looked up is a failure
audit-packages: $(INSTALLED)
	.venv/bin/python -m pip_audit --requirement requirements.lock --require-hashes --disable-pip --strict --progress-spinner off
