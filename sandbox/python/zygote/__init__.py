"""A warm Python: what it imports before its first fork, how it is checked, and how a fork walks into its jail."""
