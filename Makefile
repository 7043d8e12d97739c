# The commands of the README and of .ci/run. Everything lands in .venv, in $(GEBUS_CACHE) and in build/.
