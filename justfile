# The names that users of the original Krustlet know. What they do is in the Makefile.

# Install Krustlet and all it needs into .venv
build:
    make build

# Run a WebAssembly pod here, without a cluster
run:
    make run

# The same: WASI is the provider that `run` uses
run-wasi:
    make run

# Run all tests
test:
    make test

# Run the tests against a real control plane
test-e2e:
    make test-e2e
