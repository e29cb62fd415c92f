"""The Lambda functions: one handler a file, around one state machine (`advance`)."""
