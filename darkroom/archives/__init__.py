"""ZIP and TAR files, member by member."""
