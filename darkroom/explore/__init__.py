"""Looking at results: the map, similar images, near duplicates, outliers, small pictures.

Everything works on the coordinates of one PCA version, and so across batches.
"""
