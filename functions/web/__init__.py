"""What the API answers with: the logic behind its routes."""
