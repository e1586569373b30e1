# provmat: `make demo`, `make test`. Everything built goes to build/FLAVOR; sources are found by wildcard, nothing is registered by hand.
FLAVOR ?= release
B := build/$(FLAVOR)
CC ?= gcc
CXX ?= g++
PKGS := rdkafka avro-c lmdb libcjson libb2 smartcols libcurl
