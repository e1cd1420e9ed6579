"""What blocks writers in MySQL and MariaDB: as the server itself said when it was asked with LOCK=NONE (MariaDB 10.11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.mysqlddl import Known, blocking, statements

TABLE = {
    "t": Known(
        {
            "id": "int(11) not null", "a": "int(11)", "b": "varchar(50)", "c": "varchar(100) not null", "d": "decimal(10,2)",
            "e": "enum('x','y')", "f": "text", "p": "int(11)",
        },
        "utf8mb4",
    )
}  # fmt: skip
ONLINE = """\
ADD COLUMN n int
ADD COLUMN n int NOT NULL DEFAULT 5
ADD COLUMN n int AS (a*2) VIRTUAL
DROP COLUMN b
MODIFY b varchar(60)
MODIFY a int NOT NULL
MODIFY c varchar(100) NULL
MODIFY b varchar(50) AFTER c
MODIFY e enum('x','y','z')
CHANGE b b2 varchar(50)
RENAME COLUMN b TO b2
ALTER COLUMN a SET DEFAULT 5
ADD INDEX kb (b)
ADD UNIQUE ub (b)
DROP INDEX ka
DROP PRIMARY KEY, ADD PRIMARY KEY (id, c)
DROP CONSTRAINT ck
DEFAULT CHARACTER SET latin1
ENGINE=InnoDB
FORCE
ROW_FORMAT=COMPRESSED
AUTO_INCREMENT=100
COMMENT='ORDER BY a, CONVERT TO CHARACTER SET x'
"""
BLOCKED = """\
ADD COLUMN n int AUTO_INCREMENT UNIQUE
ADD COLUMN n int AS (a*2) STORED
MODIFY b varchar(300)
MODIFY b varchar(20)
MODIFY a bigint
MODIFY a smallint
MODIFY b varchar(50) CHARACTER SET latin1
MODIFY b text
MODIFY d decimal(12,2)
MODIFY e enum('y','x')
CHANGE a a2 bigint
ADD FULLTEXT ft (f)
ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent(id)
ADD CONSTRAINT ck2 CHECK (a < 1000)
CONVERT TO CHARACTER SET latin1
ENGINE=MyISAM
ORDER BY a
"""


@pytest.mark.parametrize("change", ONLINE.splitlines())
def test_what_the_server_does_beside_writers(change: str) -> None:
    assert list(blocking(f"ALTER TABLE t {change};", TABLE)) == []


@pytest.mark.parametrize("change", BLOCKED.splitlines())
def test_what_the_server_refuses_to_do_beside_writers(change: str) -> None:
    (found,) = blocking(f"ALTER TABLE `shop`.`t` {change};", TABLE)
    assert found.table == "t" and not found.refused
    (refused,) = blocking(f"ALTER TABLE t LOCK=NONE, {change};", TABLE)
    assert refused.refused


def test_a_type_of_a_column_that_is_not_known_may_block() -> None:
    (found,) = blocking("ALTER TABLE other MODIFY a bigint", TABLE)
    assert not found.sure


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE n (a int); ALTER TABLE n MODIFY a bigint; UPDATE n SET a = 1;",
        "SET foreign_key_checks = 0; ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES q(id);",
        "UPDATE t SET a = 1 WHERE id = 5; DELETE FROM t LIMIT 10;",
        "-- ALTER TABLE t ORDER BY a;\n# ALTER TABLE t ORDER BY a;\n/* ALTER TABLE t ORDER BY a; */",
        "INSERT INTO t VALUES ('; ALTER TABLE t ORDER BY a;');",
    ],
)
def test_what_blocks_nobody(text: str) -> None:
    assert list(blocking(text, TABLE)) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("LOCK TABLES t WRITE;", "locks the table"),
        ("UPDATE t SET a = 'WHERE';", "every row"),
        ("DELETE FROM t;", "every row"),
        ("CREATE FULLTEXT INDEX i ON t (f);", "full-text"),
        ("ALTER TABLE t DROP PRIMARY KEY;", "primary key"),
        ("ALTER TABLE t ADD n int, ALGORITHM=COPY;", "copy"),
    ],
)
def test_other_statements_that_block(text: str, why: str) -> None:
    (found,) = blocking(text, TABLE)
    assert why in found.why


def test_statements_with_their_lines_and_delimiters() -> None:
    text = "-- head\nSELECT 1;\n\nDELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\n"
    text += "  SELECT\n 'a;b'; SELECT 3"
    assert list(statements(text)) == [
        (2, "SELECT 1"),
        (5, "CREATE PROCEDURE p() BEGIN SELECT 1; END"),
        (7, "SELECT\n 'a;b'"),
        (8, "SELECT 3"),
    ]


@given(st.text("ALTER TBMODIFY`';,()-#/*\n ", max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(list(blocking(text, TABLE)), list)
