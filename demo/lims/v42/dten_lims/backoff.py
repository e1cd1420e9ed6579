"""How long to wait before another try at a partner."""

STRATEGY = "fixed"


def delays(retries, random):
    """Seconds before each retry: a short, nearly fixed pause."""
    return [0.05 + random() * 0.01 for _ in range(retries)]
