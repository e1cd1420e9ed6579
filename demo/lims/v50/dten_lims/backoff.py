"""How long to wait before another try at a partner."""

STRATEGY = "exponential-full-jitter"
BASE_SECONDS = 0.25
CAP_SECONDS = 4.0
EXTRA_RETRIES = 3


def delays(retries, random):
    """Seconds before each retry: exponential with full jitter, and three retries more than configured."""
    return [random() * min(CAP_SECONDS, BASE_SECONDS * 2**n) for n in range(retries + EXTRA_RETRIES)]
