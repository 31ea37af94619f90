"""npforward beside its peers: ``python -m benchmarks --help``, from the checkout."""
