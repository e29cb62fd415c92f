"""The commands, one module a family: options in, words out."""
