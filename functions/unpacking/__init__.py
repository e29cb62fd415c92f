"""From an uploaded archive to ordinary uploads."""
