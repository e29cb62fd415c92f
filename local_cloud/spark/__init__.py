"""Spark on this machine: a Java that suits it, a session, and its Python workers."""
