"""Who may do what: the permissions that a request needs, decided as AWS does.

ministack's evaluator decides (conditions, wildcards, denies, resources' own policies); what it does
not know is added here: the keys that services use in a caller's name, roles that are passed on, and
EMR Serverless.
"""
