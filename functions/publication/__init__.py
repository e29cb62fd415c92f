"""From a submitted job to results that readers see."""
