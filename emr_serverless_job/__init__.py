"""The Spark job: manifest in; features, coordinates and a balanced receipt out."""
