"""The stack of `template.yaml` on one machine."""
