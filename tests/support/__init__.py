"""What the tests share: a raw client, kernels with certain clean-up, a search for leftovers."""
