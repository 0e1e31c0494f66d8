.DEFAULT_GOAL := help
.PHONY: help test lint demo bench chaos clean

# ARGS goes to the command: make test ARGS="tests/unit -x"

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## environment, linters, types, the whole suite on a real server
	scripts/test $(ARGS)

lint: ## linters and types only
	scripts/test --lint

demo: ## players arrive, two matchers work, the checker judges
	scripts/demo $(ARGS)

bench: ## the measurements behind docs/benchmarks.md
	scripts/bench $(ARGS)

chaos: ## the fault and property tests at length (10,000 examples each; takes hours)
	scripts/chaos $(ARGS)

clean: ## remove the environment and every cache
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis build ./*.egg-info
