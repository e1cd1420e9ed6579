"""Nodes are found as the library's own walker finds them, in the same order."""

from __future__ import annotations

import postgast
import pytest
from postgast import pg_query_pb2 as pb

from fulldress.formats.sql.nodes import find_nodes

SCRIPT = """
CREATE TABLE a (id int PRIMARY KEY, b text DEFAULT upper('x') CHECK (b <> 'y'), c int REFERENCES d (id) ON DELETE CASCADE);
ALTER TABLE a ADD CONSTRAINT k FOREIGN KEY (b) REFERENCES e (f), ALTER COLUMN b TYPE varchar(10) USING substr(b, 1, 10);
WITH w AS (SELECT x.*, row_number() OVER (PARTITION BY y ORDER BY z[2].q) FROM s.t AS x (i, j) JOIN u USING (k))
INSERT INTO v (m[1], n) SELECT w.i, CASE WHEN w.j IN (1, 2.5, NULL) THEN $1 ELSE now() END FROM w
WHERE EXISTS (SELECT 1 FROM o WHERE o.p = w.i LIMIT 3) UNION ALL VALUES (1, B'01'), (2, true) ON CONFLICT DO NOTHING;
DROP TABLE s.t, u; GRANT SELECT ON a TO public; SELECT set_config('lock_timeout', '2s', false);
"""
KINDS = (
    *(pb.RangeVar, pb.FuncCall, pb.ColumnRef, pb.Constraint, pb.A_Const, pb.ColumnDef, pb.SelectStmt, pb.A_Expr),
    *(pb.String, pb.Alias, pb.TypeName, pb.Integer, pb.ResTarget),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_same_nodes_in_the_same_order(kind: type) -> None:
    tree = postgast.parse(SCRIPT)
    assert list(find_nodes(tree, kind)) == list(postgast.find_nodes(tree, kind)) != []


def test_the_root_itself_counts() -> None:
    call = postgast.parse("SELECT f(g(1))").stmts[0].stmt.select_stmt.target_list[0].res_target.val.func_call
    assert [found.funcname[0].string.sval for found in find_nodes(call, pb.FuncCall)] == ["f", "g"]


def test_a_wrapper_is_no_node_of_its_own() -> None:
    value = postgast.parse("SELECT f(1)").stmts[0].stmt.select_stmt.target_list[0]
    assert len(list(find_nodes(value, pb.FuncCall))) == 1
