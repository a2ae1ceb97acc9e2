"""Settings of gunicorn: the module is imported once, before the workers are forked; each worker has threads."""

preload_app = True
workers = 2
threads = 4
