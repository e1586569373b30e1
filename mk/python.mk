# The Python package: its tests' environment (build/python/venv, with the package built into it) and the wheel that carries its libraries.

PYTHON ?= python3
PY := build/python
PY_DIST := $(PY)/dist-$(NAME)
PY_VENV := $(PY)/venv-$(firstword $(shell cksum <python/requirements.txt))

# What `pip install ./python` links with, on one line, the archive first.
.PHONY: library-link
library-link: $(B)/libprovmat.a
	@echo $(B)/libprovmat.a $(LIBRARY_LIBS)

.PHONY: python wheel
python: $(PY)/.installed-$(NAME)

$(PY_VENV)/.complete:
	@echo "  VENV  $(PY_VENV)"
	$(Q)rm -rf $(PY)/venv* && $(PYTHON) -m venv $(PY_VENV) && ln -sfn $(notdir $(PY_VENV)) $(PY)/venv
	$(Q)$(PY)/venv/bin/python -m pip install --quiet --disable-pip-version-check -r python/requirements.txt || \
	    { echo "make: the packages of python/requirements.txt could not be installed: see above; run make again when pip reaches its package index" >&2; exit 1; }
	$(Q)touch $@

PY_SRCS = $(wildcard python/native/*.[ch] python/src/provmat/*.py python/src/provmat/*.pyi) python/setup.py python/pyproject.toml

# Built without isolation: setuptools is in the environment already.
$(PY_DIST)/.stamp: $(PY_VENV)/.complete $(PY_SRCS) $(B)/libprovmat.a
	@echo "  WHEEL $(@D)"
	$(Q)rm -rf $(@D) $(PY)/setuptools && mkdir -p $(@D)
	$(Q)$(PY)/venv/bin/python -m pip wheel --disable-pip-version-check --no-build-isolation --no-deps --no-index -w $(@D) ./python \
	    >$(PY)/wheel.log 2>&1 || { cat $(PY)/wheel.log >&2; exit 1; }
	$(Q)rm -rf python/build python/src/provmat.egg-info && touch $@

$(PY)/.installed-$(NAME): $(PY_DIST)/.stamp
	@echo "  PIP   $(PY_DIST)/*.whl"
	$(Q)rm -f $(PY)/.installed-*
	$(Q)$(PY)/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall $(PY_DIST)/*.whl
	$(Q)touch $@

# With all libraries but those that every Linux has, and the newest Kafka client in it: the system's one would look for the plugins of
# the system's SASL, which belong to other versions.
wheel:
	$(Q)$(MAKE) RDKAFKA=latest wheel-whole
.PHONY: wheel-whole
wheel-whole: $(PY_DIST)/.stamp
	@echo "  WHEEL build/wheel"
	$(Q)rm -rf build/wheel
	$(Q)PATH="$(CURDIR)/$(PY)/venv/bin:$$PATH" auditwheel repair --strip -w build/wheel $(PY_DIST)/*.whl >$(PY)/auditwheel.log 2>&1 || \
	    { cat $(PY)/auditwheel.log >&2; exit 1; }
	$(Q)python/check-wheel build/wheel/*.whl
