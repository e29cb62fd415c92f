"""From an image's bytes to pixels, features and a thumbnail, or to the reason why not."""
