# Everything a person needs, one word each. `make` alone lists the targets.

NODE_MODULES := node_modules/.package-lock.json
# Arguments for the tests: make test ARGS="--coverage", make test ARGS=internal/domain
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(NODE_MODULES) ## Install the npm packages of the lock file, if that has not been done

# npm writes this file when it has installed everything, so it is older than a changed lock file and missing after a failure.
$(NODE_MODULES): package-lock.json
	@command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || { \
	  echo "Node.js 20 or newer with npm is needed and was not found: see https://nodejs.org" >&2; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node, 10) >= 20 ? 0 : 1)' || { \
	  echo "Node.js 20 or newer is needed; this is $$(node --version)" >&2; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $(NODE_MODULES)

.PHONY: demo
demo: $(NODE_MODULES) ## Run the whole engine with built-in parts on API_PORT (8080) until Ctrl-C
	@npm run --silent demo

.PHONY: test
test: $(NODE_MODULES) ## Run every check and every test; starts the servers it needs (ARGS="path" for some)
	@npm run --silent test -- $(ARGS)

.PHONY: chaos
chaos: build ## Break things under load and check that nothing is lost (FAULTS=… CYCLES=… SEED=…)
	@npm run --silent chaos

.PHONY: bench
bench: build ## Measure the engine beside other queues in the same run (SCENARIOS=… REPEATS=… QUICK=1)
	@npm run --silent bench

.PHONY: lint
lint: $(NODE_MODULES) ## Check format, lint, types, import rules and unused code
	npm run --silent check:format
	npm run --silent lint
	npm run --silent typecheck
	npm run --silent check:imports
	npm run --silent check:unused

.PHONY: build
build: $(NODE_MODULES) ## Compile to dist/
	npm run --silent build

.PHONY: run
run: build ## Run the compiled engine with the settings of the environment and .env
	@npm start --silent

.PHONY: migrate
migrate: $(NODE_MODULES) ## Bring the database up to date
	@npm run --silent db:migrate

.PHONY: seed
seed: $(NODE_MODULES) ## Fill the database with sample notifications
	@npm run --silent db:seed

.PHONY: check-queue
check-queue: $(NODE_MODULES) ## Ask a running engine whether its queue is being worked on
	@npm run --silent check:queue

.PHONY: docker-up
docker-up: ## Build the image and start it with all services
	docker compose up --build --detach

.PHONY: docker-down
docker-down: ## Stop what docker-up started; volumes stay
	docker compose down

.PHONY: clean
clean: ## Remove what build and tests made; packages and data stay
	rm -rf dist coverage
