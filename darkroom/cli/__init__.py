"""The command line: `darkroom model`, `darkroom run`, `darkroom warmup`."""
