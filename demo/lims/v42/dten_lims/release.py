"""What is particular to 4.2."""

VERSION = "4.2"
RESULT_COLUMNS = (
    "id", "analysis_id", "sample", "method", "value", "unit", "status", "entered_by", "entered_at", "approved_by",
)  # fmt: skip


def hybrid_mode(_section):
    """4.2 always writes; ``legacy_mode`` only chose the old form letters."""
    return True
