PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR ?= var
SIZE ?= small

.PHONY: bento fuzz help install demo test lint docs lock clean notebooks bench-allocation bench-features bench-live bench-online bench-point-in-time bench-policy bench-quality bench-replay bench-training bench-training-set

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# The stamp makes a second `make` skip the install unless the lock or the metadata changed.
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

install: $(VENV)/.installed   ## create .venv and install from the lock

demo: install    ## the whole loop on a simulated bank, in about four minutes
	$(BIN)/tenure demo --home $(HOME_DIR)/demo $(ARGS)

test: lint       ## lint, then every test, on two cores
	$(BIN)/pytest -n 2 --dist loadfile

lint: install    ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: install   ## run the notebooks on a small simulated bank, into HOME_DIR/notebooks
	mkdir -p $(HOME_DIR)/notebooks && cp notebooks/*.ipynb $(HOME_DIR)/notebooks
	TENURE_HOME=$(abspath $(HOME_DIR))/notebooks/bank $(BIN)/jupyter-execute --inplace \
	    $(HOME_DIR)/notebooks/*.ipynb

docs: install    ## write the generated parts of the README anew
	$(BIN)/python -m tests.readme

bench-allocation: install   ## offers for a million customers: time and certified gap, HiGHS, greedy, Spark
	$(BIN)/python -m benchmarks.allocation --size $(SIZE)

bench-features: install   ## engines beside the floor, pandas and polars; banks stay in HOME_DIR
	TENURE_HOME=$(HOME_DIR) $(BIN)/python -m benchmarks.features --size $(SIZE)

bench-live: install   ## full decisions over HTTP beside a bare uvicorn, and feast serve + mlflow models serve
	TENURE_HOME=$(HOME_DIR) $(BIN)/python -m benchmarks.live --size $(SIZE)

bench-online: install   ## our online store beside Feast's own, and Redis
	$(BIN)/python -m benchmarks.online --size $(SIZE)

bench-point-in-time: install   ## wrong cells in a million, against an oracle
	$(BIN)/python -m benchmarks.point_in_time --size $(SIZE)

bench-policy: install   ## true profit of policies with a simulated bank, beside the oracle's
	$(BIN)/python -m benchmarks.policy --size $(SIZE)

bench-replay: install   ## a month through the API beside its plan: money spent, value earned
	$(BIN)/python -m benchmarks.replay --size $(SIZE)

bench-training: install   ## a finished table beside LightGBM's own training
	$(BIN)/python -m benchmarks.training --size $(SIZE)

bench-training-set: install   ## the training set through Feast beside a plain as-of join
	$(BIN)/python -m benchmarks.training_set --size $(SIZE)

bench-quality: install   ## models beside FLAML and plain baselines; TENURE_SAMPLE_DATA names the sample banks
	$(BIN)/python -m benchmarks.quality --size $(SIZE)

bento: install   ## build a bento of the service (its build needs uv or pip, and the network)
	BENTOML_DO_NOT_TRACK=True $(BIN)/bentoml build

fuzz: install   ## more than 10,000 questions to the API, made from its own description
	TENURE_FUZZ=1000 $(BIN)/pytest tests/serving/test_schemathesis.py tests/serving/test_events.py -k breaks_the_service

lock:            ## resolve the lock anew (needs uv)
	uv pip compile --upgrade --universal --python-version 3.11 --group dev --extra spark --no-emit-index-url \
	    --no-header --no-annotate pyproject.toml -o requirements.lock

clean:           ## remove what was installed and what the demo wrote
	rm -rf $(VENV) $(HOME_DIR)
