"""Migrations in other languages, brought into SQL line for line."""

from __future__ import annotations

import pytest

from fulldress.formats.sql import script, script_hazards
from fulldress.formats.sql.embedded import reader, section
from fulldress.formats.sql.shadow import Shadow

ALEMBIC = '''"""x"""
from alembic import op
import sqlalchemy as sa

def upgrade():
    op.add_column("result", sa.Column("flag", sa.String(10), nullable=False, server_default="normal"))
    with op.batch_alter_table("result") as batch:
        batch.create_index("result_flag", ["flag"])
        batch.alter_column("note", existing_type=sa.Text(), nullable=False)
    if op.get_bind().dialect.name == "mysql":
        op.execute("ALTER TABLE result MODIFY flag text")
    else:
        op.execute(sa.text("UPDATE result SET flag = :flag"))
    with op.get_context().autocommit_block():
        op.create_index("late", "result", ["note"], postgresql_concurrently=True)
    op.create_foreign_key("fk", "result", "sample", ["sample_id"], ["id"])
    for row in rows():
        op.execute(row.statement)

def downgrade():
    op.drop_column("result", "flag")
'''
DJANGO = """from django.db import migrations, models
import django.db.models.deletion

class Migration(migrations.Migration):
    atomic = False
    operations = [
        migrations.AddField("Result", "sample", models.ForeignKey("labs.Sample", null=True, on_delete=1)),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY i ON lims_result (value)", migrations.RunSQL.noop),
        migrations.AddField(model_name="result", name="code", field=models.CharField(max_length=9, default="")),
        migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("result", "old")]),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
"""
RAILS = """class AddFlag < ActiveRecord::Migration[7.0]
  disable_ddl_transaction!

  def up
    add_column :results, :flag, :string, null: false, default: "normal"
    add_index :results, [:flag, :entered_at],
              algorithm: :concurrently
    add_reference :results, :sample, foreign_key: true, index: false
    execute <<~SQL
      UPDATE results
      SET flag = 'low'
    SQL
  end

  def down
    remove_column :results, :flag
  end
end
"""
LIQUIBASE = """<?xml version="1.0"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog">
  <changeSet id="1" author="a">
    <addColumn tableName="result"><column name="flag" type="varchar(10)"/></addColumn>
    <createIndex indexName="i" tableName="result"><column name="flag"/></createIndex>
  </changeSet>
  <changeSet id="2" author="a" dbms="mysql"><sql>ALTER TABLE result ENGINE=InnoDB</sql></changeSet>
  <changeSet id="3" author="a" runInTransaction="false">
    <sql>
      CREATE INDEX CONCURRENTLY j ON result (note);
    </sql>
  </changeSet>
</databaseChangeLog>
"""
YAML = """databaseChangeLog:
  - changeSet:
      id: 1
      author: a
      changes:
        - addColumn:
            tableName: result
            columns:
              - column:
                  name: flag
                  type: int
        - sql:
            sql: UPDATE result SET flag = 1
"""
TYPEORM = """export class A1 implements MigrationInterface {
  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "result" ADD "flag" uuid DEFAULT gen_random_uuid()`);
  }
  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE "result"`);
  }
}
"""


DEEP = "from alembic import op\ndef upgrade():\n  op.execute(" + "+".join(["a"] * 50_000) + ")\n"


def read(place: str, text: str) -> Shadow:
    found = reader(place)
    assert found is not None
    made = found(place, text)
    assert made is not None
    assert not script(made.text).unparsed
    return made


def lines(shadow: Shadow) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for statement in script(shadow.text).statements:
        found.setdefault(statement.line, []).append(" ".join(statement.text.split()))
    return found


def test_alembic() -> None:
    made = read("alembic/versions/1_x.py", ALEMBIC)
    assert (made.tool, made.single) == ("Alembic", False)
    assert lines(made) == {
        6: ["BEGIN", "ALTER TABLE result ADD COLUMN flag varchar(10) DEFAULT 'normal' NOT NULL"],
        8: ["CREATE INDEX result_flag ON result (flag)"],
        9: ["ALTER TABLE result ALTER COLUMN note SET NOT NULL"],
        13: ["UPDATE result SET flag = 'flag'"],
        14: ["COMMIT"],
        15: ["CREATE INDEX CONCURRENTLY late ON result (note)", "BEGIN"],
        16: ["ALTER TABLE result ADD CONSTRAINT fk FOREIGN KEY (sample_id) REFERENCES sample", "COMMIT"],
    }
    assert not [h for h in script_hazards(script(made.text), {}) if h.kind == "migration-cannot-run"]
    assert {line for line, _ in made.unread} == {17, 18}


def test_alembic_loops_over_written_names() -> None:
    text = """from alembic import op
def upgrade():
    for table in ("a", "b"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("x")
        op.execute(f"UPDATE {table} SET y = 1")
"""
    assert lines(read("migrations/versions/1.py", text)) == {
        5: ["ALTER TABLE a DROP COLUMN x"],
        6: ["UPDATE a SET y = 1", "ALTER TABLE b DROP COLUMN x", "UPDATE b SET y = 1"],
    }


def test_django() -> None:
    made = read("lims/migrations/0002_x.py", DJANGO)
    assert (made.tool, made.single) == ("Django", False)
    assert lines(made) == {
        7: [
            "ALTER TABLE lims_result ADD COLUMN sample_id bigint REFERENCES labs_sample",
            "CREATE INDEX ON lims_result (sample_id)",
        ],
        8: ["CREATE INDEX CONCURRENTLY i ON lims_result (value)"],
        9: ["ALTER TABLE lims_result ADD COLUMN code varchar(9) DEFAULT 'x' NOT NULL"],
        10: ["ALTER TABLE lims_result DROP COLUMN old"],
    }
    assert made.unread == ((11, "RunPython"),)


def test_rails() -> None:
    made = read("db/migrate/20260101_add_flag.rb", RAILS)
    assert (made.tool, made.single) == ("Rails", False)
    assert lines(made) == {
        5: ["ALTER TABLE results ADD COLUMN flag varchar DEFAULT 'normal' NOT NULL"],
        6: ["CREATE INDEX CONCURRENTLY ON results (flag, entered_at)"],
        8: ["ALTER TABLE results ADD COLUMN sample_id bigint REFERENCES samples"],
        10: ["UPDATE results SET flag = 'low'"],
    }


def test_liquibase_xml() -> None:
    made = read("db/changelog/changelog-1.xml", LIQUIBASE)
    kinds = [(s.line, s.kind, s.in_transaction) for s in script(made.text).statements if s.kind != "transaction_stmt"]
    assert kinds == [(4, "alter_table_stmt", True), (5, "index_stmt", True), (10, "index_stmt", False)]


def test_liquibase_yaml() -> None:
    made = read("db/changelog/db.changelog-1.yaml", YAML)
    kinds = [(s.line, s.kind) for s in script(made.text).statements if s.kind != "transaction_stmt"]
    assert kinds == [(9, "alter_table_stmt"), (12, "update_stmt")]


def test_xml_with_entities_of_its_own_is_refused() -> None:
    text = '<!DOCTYPE databaseChangeLog [<!ENTITY a "aaaa">]><databaseChangeLog>&a;</databaseChangeLog>'
    found = reader("changelog.xml")
    assert found is not None
    assert found("changelog.xml", text) is None


def test_typescript() -> None:
    made = read("src/migrations/1-a.ts", TYPEORM)
    assert lines(made) == {3: ['ALTER TABLE "result" ADD "flag" uuid DEFAULT gen_random_uuid()']}
    assert {h.kind for h in script_hazards(script(made.text, single_transaction=made.single), {})} >= {"table-rewrite"}


@pytest.mark.parametrize(
    "place", ["migrations/x.py", "db/migrate/x.rb", "changelog.xml", "changelog.yml", "migrations/x.ts"]
)
@pytest.mark.parametrize("text", ["", "\0\xff", "def f(:", "<a><b></a>", "a: [", "x" * 10_000, "(" * 5000, DEEP])
def test_other_text_is_left_alone(place: str, text: str) -> None:
    found = reader(place)
    assert found is not None
    assert found(place, text) is None


@pytest.mark.parametrize(
    ("place", "text", "tool", "single", "kept"),
    [
        ("db/migrations/1.sql", "-- +goose Up\nA;\n-- +goose Down\nB;", "goose", True, "A;"),
        ("db/migrations/1.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nA;", "goose", False, "A;"),
        ("db/1.sql", "-- migrate:up transaction:false\nA;\n-- migrate:down\nB;", "dbmate", False, "A;"),
        ("db/V1__a.sql", "A;", "Flyway", True, "A;"),
        ("db/V1__a.sql", "CREATE INDEX CONCURRENTLY i ON t (a);", "Flyway", False, "CREATE"),
        ("prisma/migrations/20260101000000_x/migration.sql", "A;", "Prisma", True, "A;"),
        ("x.sql", "--liquibase formatted sql\n--changeset a:1\nA;\n--rollback B;", "Liquibase", False, "A;"),
        ("migrations/1.sql", "A;", "", False, "A;"),
    ],
)
def test_sections_of_sql_files(place: str, text: str, tool: str, single: bool, kept: str) -> None:
    made = section(place, text)
    assert made[:2] == (tool, single)
    assert kept in made[2]
    assert "B;" not in made[2]
    assert made[2].count("\n") == text.count("\n")


def test_each_changeset_of_liquibases_sql_is_a_transaction_of_its_own() -> None:
    text = (
        "--liquibase formatted sql\n--changeset a:1\nCREATE INDEX CONCURRENTLY i ON t (a);\n"
        "--changeset a:2 runInTransaction:false\nCREATE INDEX CONCURRENTLY j ON t (b);\n"
    )
    tool, single, up = section("db/003.sql", text)
    found = [(h.kind, h.statement.line) for h in script_hazards(script(up), {})]
    assert (tool, single) == ("Liquibase", False)
    assert ("concurrently-in-transaction", 3) in found
    assert ("concurrently-in-transaction", 5) not in found
    assert "migration-cannot-run" not in {kind for kind, _ in found}
