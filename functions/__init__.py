"""The Lambda functions: here the handlers, each called like its resource in `template.yaml`; behind
them one room for each stage of a run."""
