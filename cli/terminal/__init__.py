"""What people see: words, progress, and what was left out."""
