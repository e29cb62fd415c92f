"""Erasing images wherever they left something: what is to go, finding it, removing it, proof.

No AWS wiring and no Spark: stores, a client and a way to spread work come as arguments.
"""
