# Every command sets up what it needs, says so in a line, and is quick when it is there.
# What can be said: STACK=<name> (dev), ENGINE=pulumi|pinned|lab, K3S=release|lab,
# CHARTS=repository|lab, ARGS=<further words>.
STACK ?= dev
export STACK

python := .venv/bin/python

.PHONY: help up preview refresh destroy outputs kubeconfig nodes images test bench check pin clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

up: ## make or change the cluster of STACK (dev)
preview: ## show what `make up` would do, and do nothing
refresh: ## compare the state with what there is
destroy: ## take the cluster away, and all that was made for it
outputs: ## what the stack gives; secrets stay hidden
kubeconfig: ## the kubeconfig alone, on standard output
nodes: ## the nodes as the cluster sees them; needs no kubectl
up preview refresh destroy outputs kubeconfig nodes:
	@tools/bootstrap.sh program && exec $(python) -m tools $@ --stack "$$STACK" $(ARGS)

images: ## the newest machine images for the region of STACK, to pin in its file
	@tools/bootstrap.sh program && exec $(python) -m tools images --stack "$$STACK"

test: ## all tests; ARGS="-k word" picks some
	@tools/bootstrap.sh develop && exec $(python) -m tools test -- $(ARGS)

bench: ## how long clusters take; ARGS="--runs 3 --shapes 1+2,3+0 --addons metallb"
	@tools/bootstrap.sh program && exec $(python) -m tools bench -- $(ARGS)

check: ## format, lint, types, shell scripts, workflows, Go
	@tools/bootstrap.sh develop && exec $(python) -m tools check

pin: ## record the digests of today's releases, to be read and committed
	@tools/bootstrap.sh program && exec $(python) -m tools pin

clean: ## remove what the project made in this folder, when no stack is up
	@exec python3 -m tools.clean
