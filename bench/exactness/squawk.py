"""squawk's own cases (its inline tests): judged alike where its rule is right on PostgreSQL 15.

A rule is compared when it speaks of a hazard that we name too (``RULES``); rules of style are not. ``SETTLED`` lists each
case in which we differ on purpose, with what PostgreSQL does; a case that is listed there and does not differ any more is
a miss, so that the list cannot grow old.
"""

from __future__ import annotations

import json
import re

from exactness import Row
from exactness._migrations import folder
from fulldress.formats import sql

WAIT = "migration-without-lock-timeout"
RULES: dict[str, tuple[set[str], str]] = {
    "adding_field_with_default": ({"table-rewrite"}, ""),
    "adding_foreign_key_constraint": ({"constraint-validates-under-lock"}, ""),
    "adding_not_null_field": ({"not-null-scan"}, ""),
    "adding_primary_key_constraint": ({"index-blocks-writes", "table-rewrite"}, ""),
    "adding_required_field": ({"migration-cannot-run"}, "demands"),
    "ban_alter_domain_with_add_constraint": ({"constraint-validates-under-lock"}, ""),
    "ban_concurrent_index_creation_in_transaction": ({"concurrently-in-transaction"}, ""),
    "ban_drop_column": ({"breaks-running-version"}, "drops"),
    "ban_drop_database": ({"breaks-running-version"}, "drops"),
    "ban_drop_table": ({"breaks-running-version"}, "drops"),
    "ban_truncate_cascade": ({"breaks-running-version"}, "all tables that refer to it"),
    "ban_uncommitted_transaction": ({"migration-cannot-run"}, "never committed"),
    "changing_column_type": ({"table-rewrite"}, ""),
    "constraint_missing_not_valid": (
        {"constraint-validates-under-lock", "index-blocks-writes", "long-lock-transaction"},
        "",
    ),
    "disallow_unique_constraint": ({"index-blocks-writes"}, ""),
    "prefer_repack": ({"table-rewrite"}, ""),
    "renaming_column": ({"breaks-running-version"}, "renames"),
    "renaming_table": ({"breaks-running-version"}, "renames"),
    "require_concurrent_index_creation": ({"index-blocks-writes"}, ""),
    "require_concurrent_index_deletion": ({WAIT}, "(?i)drop index"),
    "require_concurrent_partition_detach": ({WAIT}, "(?i)detach partition"),
    "require_concurrent_reindex": ({"index-blocks-writes"}, ""),
    "require_timeout_settings": ({WAIT}, ""),
    "transaction_nesting": ({"migration-cannot-run"}, "transaction"),
}
"""Rules of squawk that speak of hazards of ours: which of ours answer them, and a word of the answer or its statement."""
OVERRIDE = "squawk-disable-assume-in-transaction"

_BRIEF = "ShareUpdateExclusive (oracle): neither readers nor writers queue behind it"
SETTLED: dict[str, str] = {
    "adding_field_with_default.default_random_with_args_err": "now(integer) does not exist: the statement is refused",
    "adding_field_with_default.docs_example_error_on_pg_11": "a constant default rewrites nothing"
    " (oracle add_col_default_const)",
    "adding_foreign_key_constraint.add_column_references_lock": "locks both tables but reads neither (oracle add_col_fk);"
    " we report the wait for both locks",
    "adding_not_null_field.regression_gh_issue_628_pg11_with_validated_check_err": "no scan behind a validated CHECK"
    " (oracle set_not_null_with_check); the case is for PostgreSQL 11",
    "adding_not_null_field.pg11_cross_migration_validate_then_set_not_null_err": "the same, the CHECK in an earlier file",
    "ban_alter_domain_with_add_constraint.ok": "SET NOT NULL and VALIDATE of a domain hold Share on every table that uses it"
    " and read it through (asked: pg_locks, pg_stat_xact_user_tables)",
    "ban_concurrent_index_creation_in_transaction.assuming_in_transaction_ok": "CONCURRENTLY alone in a transaction is"
    " refused as well",
    "prefer_repack.cluster_below_pg19_ok": "CLUSTER rewrites under AccessExclusive on 15 too (oracle cluster)",
    "prefer_repack.vacuum_full_below_pg19_ok": "VACUUM FULL does so as well; only REPACK is not there yet",
    "require_concurrent_partition_detach.detach_partition_finalize_ok": "FINALIZE holds AccessExclusive on the partition"
    " (asked: pg_locks)",
    "require_concurrent_reindex.reindex_system_ok": "REINDEX SYSTEM blocks writers; that it has no concurrent form makes it"
    " no better",
    "require_timeout_settings.err_missing_lock_timeout": "statement_timeout = 5s ends the wait too"
    " (asked: 57014 while waiting)",
    "require_timeout_settings.err_missing_statement_timeout": "with lock_timeout set, an ADD COLUMN"
    " is a matter of milliseconds",
    "require_timeout_settings.fix_add_lock_timeout_only": "as err_missing_lock_timeout",
    "require_timeout_settings.fix_add_statement_timeout_only": "as err_missing_statement_timeout",
    "require_timeout_settings.err_other_ddl_operations": "CREATE TYPE locks no relation (oracle enum_add)",
    "require_timeout_settings.err_comment_on_explains_lock_impact": _BRIEF,
    "require_timeout_settings.err_vacuum_full_false_uses_non_full_lock": _BRIEF,
    "require_timeout_settings.err_lock_access_share_uses_correct_article": "AccessShare is what every SELECT takes",
    "require_timeout_settings.fix_multiple_ddl_statements": "the table is made by the same script: nobody waits for it",
}
"""Where we differ on purpose: what PostgreSQL 15 does (``asked``: on a server of this version, for this table)."""


def measure() -> list[Row]:
    """Cases judged alike; cases settled by the oracle; rules that are not compared."""
    wrong: list[str] = []
    settled: list[str] = []
    stale = dict(SETTLED)
    compared = others = 0
    for case in cases():
        if case["rule"] not in RULES:
            others += 1
            continue
        name = f"{case['rule']}.{case['test']}"
        alike = judged(case) == (case["label"] == "err")
        if name in SETTLED and not alike:
            stale.pop(name, None)
            settled.append(name)
            continue
        compared += 1
        if not alike:
            wrong.append(name)
    right = compared - len(wrong)
    return [
        Row("cases judged alike", right, compared, right >= 0.95 * compared, "at least 95 %", ", ".join(wrong)),
        Row(
            "cases that PostgreSQL 15 decides against squawk",
            len(settled),
            len(SETTLED),
            not stale,
            "each explained",
            ", ".join(stale),
        ),
        Row("cases of rules of style, not compared", others, others, True, "(for the sum)"),
    ]


def cases() -> list[dict[str, object]]:
    """squawk's inline tests."""
    return [json.loads(line) for line in (folder("squawk") / "rule-fixtures.jsonl").read_text().splitlines()]


def judged(case: dict[str, object]) -> bool:
    """True when we report a hazard that answers the case's rule."""
    text = str(case["sql"])
    inside = bool(case["assume_in_transaction"]) and OVERRIDE not in text
    read = sql.script(text, single_transaction=inside)
    kinds, word = RULES[str(case["rule"])]
    found = [h for h in sql.script_hazards(read, {}) if h.kind in kinds]
    return any(re.search(word, f"{h.detail} {h.statement.text}") for h in found)
