# Every target is a script in tools/, which can be called by itself where there is no make.

.DEFAULT_GOAL := help
.PHONY: help setup run reset test check lock

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup:  ## make .venv with the locked dependencies; starts nothing
	@tools/setup

run:  ## set up what is missing and start the server; PORT=8001 make run
	@tools/run

reset:  ## remove var/ and .env, which make run has made; YES=1 does not ask
	@YES=$(YES) tools/reset

test:  ## the whole suite, in parallel; make test ARGS="-k login"
	@tools/test $(ARGS)

check:  ## style, spelling, references, rooms and floors, dependencies, security, types
	@tools/check

lock:  ## resolve the dependencies anew; make lock ARGS="--upgrade-package flask"
	@tools/lock $(ARGS)
