# Two commands matter: `make demo` and `make test`. Each installs what is missing first, after saying what and where.
.PHONY: help demo test lint docs bench lock clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: ## play an upgrade from the vendor's ZIP to the finished run, on real machines (ARGS="--size 2")
	@tools/bootstrap.sh machines
	@.venv/bin/python -m demo $(ARGS)

test: ## the whole test suite
	@tools/bootstrap.sh tests
	@.venv/bin/python -m pytest --durations=10 --durations-min=5

lint: ## format, lint, types
	@tools/bootstrap.sh venv
	@.venv/bin/ruff format --check src tests demo bench
	@.venv/bin/ruff check src tests demo bench
	@.venv/bin/python -m mypy src demo bench

docs: ## the pages that are written from the code
	@tools/bootstrap.sh venv
	@.venv/bin/python -m fulldress.cli.reference docs/reference
	@.venv/bin/python -m fulldress.report.rulepages docs/rules

bench: ## the figures of docs/benchmarks.md, measured here
	@tools/bootstrap.sh machines
	@for b in bench/*.py; do echo "== $$b"; .venv/bin/python $$b || exit 1; done

lock: ## write requirements.lock anew
	@tools/lock.sh

clean: ## take away what the other targets installed and made
	@tools/clean.sh
