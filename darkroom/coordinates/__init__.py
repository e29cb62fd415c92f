"""The one coordinate system: mergeable statistics, PCA, its versions, and who points at which."""
