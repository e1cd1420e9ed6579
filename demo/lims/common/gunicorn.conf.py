"""How the web service runs; figures come from ``[http]`` in dten.conf."""

from dten_lims.settings import load

_settings = load()
bind = f"127.0.0.1:{_settings.port}"
workers = _settings.workers
threads = _settings.threads
worker_class = "gthread"
worker_tmp_dir = "/dev/shm"
graceful_timeout = 10
timeout = 60
keepalive = 30
accesslog = None
