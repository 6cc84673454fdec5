"""The worker: IPython in a sandbox. Runs the cells; worker.main() is the way in."""
