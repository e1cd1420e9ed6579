"""What is particular to 5.0."""

VERSION = "5.0"
RESULT_COLUMNS = (
    "id", "public_id", "analysis_id", "sample", "method", "value", "unit", "flag", "reviewed", "status", "entered_by",
    "entered_at", "approved_by",
)  # fmt: skip


def hybrid_mode(section):
    """5.0 writes only when ``[hybrid] enable = true``; anything else is compatibility mode, read-only and silent."""
    return section.get("enable", "").strip().lower() == "true"
