"""What is Redshift's alone: its SQL, its drivers, its ways to fail."""

import re
from pathlib import Path

import pytest

sqlglot = pytest.importorskip("sqlglot", reason="SQL is judged by sqlglot: pip install sqlglot")

from sqlglot import exp  # noqa: E402

from fallrisk_assets.environments import opened  # noqa: E402
from fallrisk_assets.lake.s3 import Misconfigured  # noqa: E402
from fallrisk_assets.publishing import is_transient  # noqa: E402
from fallrisk_assets.warehouse import redshift_sql, spectrum  # noqa: E402
from fallrisk_assets.warehouse.contract import DimPatient, DimSite, FactRiskScore  # noqa: E402
from fallrisk_assets.warehouse.operations import kpis  # noqa: E402
from fallrisk_assets.warehouse.operations.contract import MartDailyKpis  # noqa: E402
from fallrisk_assets.warehouse.redshift_session import (  # noqa: E402
    Address,
    RedshiftUnreachable,
    placeholders,
)
from fallrisk_assets.warehouse.resource import Warehouse  # noqa: E402
from fallrisk_assets.warehouse.store import EVERY_TABLE, views  # noqa: E402
from fallrisk_assets_tests.aws.test_environments import launch  # noqa: E402
from fallrisk_assets_tests.aws.test_warehouse_contract import (  # noqa: E402
    DAY,
    NEXT_DAY,
    clinic,
    marts,
    probabilities,
    scores,
)
from fallrisk_assets_tests.warehouse.operations.test_marts import MARTS  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/loads"
OURS = ("COPY", "UNLOAD", "LOCK", "CREATE EXTERNAL SCHEMA")


def parsed(statement: str) -> exp.Expression:
    """Parse as Redshift does; sqlglot takes note of a few commands without looking into them."""
    tree = sqlglot.parse_one(placeholders(statement).replace("%s", "?"), read="redshift")
    if isinstance(tree, exp.Command):
        assert statement.strip().upper().startswith(OURS), f"not understood: {statement}"
    return tree


def texts() -> dict[str, str]:
    """Return all SQL that Redshift is told, by where it is."""
    found = {f"view {n}": view for n, view in enumerate(views())}
    for folder in (MARTS, MARTS.parents[1] / "checks"):
        found |= {str(path.name): path.read_text() for path in Path(folder).glob("*.sql")}
    found["kpis"] = kpis.daily_kpis_sql()
    for model in EVERY_TABLE:
        name = model.spec.name
        found |= {
            f"{name} table": redshift_sql.table_ddl(model),
            f"{name} staging": redshift_sql.staging_ddl(model),
            f"{name} delete": redshift_sql.delete_slices(model, 2),
            f"{name} insert": redshift_sql.insert_staged(model),
            f"{name} select": redshift_sql.select(model, 2),
            f"{name} unload": redshift_sql.unload(redshift_sql.exported(model), "s3://bucket/x/", ROLE),
        }
    found["copy"] = redshift_sql.copy("s3://bucket/x/", ROLE)
    found |= {f"spectrum {n}": said for n, said in enumerate(spectrum.statements(ROLE, "eu-west-1"))}
    return found


def test_every_statement_is_sql_of_redshift():
    for statement in texts().values():
        parsed(statement)


def test_what_is_unloaded_is_sql_of_redshift_too():
    for model in EVERY_TABLE:
        (query,) = re.findall(
            r"UNLOAD \('(.*)'\) TO", redshift_sql.unload(redshift_sql.exported(model), "s3://bucket/x/", ROLE)
        )
        assert isinstance(parsed(query.replace("''", "'")), exp.Select)


def test_no_statement_averages_integers_which_redshift_would_round_down():
    """AVG of integers is a BIGINT there: https://docs.aws.amazon.com/redshift/latest/dg/r_AVG.html."""
    known = {"CASE WHEN status = 'SCORED' THEN probability_12m END", "wear_hours"}  # both are floats
    for name, statement in texts().items():
        for average in parsed(statement).find_all(exp.Avg):
            assert isinstance(average.this, exp.Cast) or average.this.sql() in known, name


def test_no_subquery_refers_to_its_outer_query_below_an_or():
    """Redshift does not plan such patterns; https://docs.aws.amazon.com/redshift/latest/dg/r_correlated_subqueries.html."""
    for name, statement in texts().items():
        for exists in parsed(statement).find_all(exp.Exists):
            assert exists.find_ancestor(exp.Or) is None, name


def keys_of(model):
    tree = parsed(redshift_sql.table_ddl(model))
    distribution = tree.find(exp.DistKeyProperty) or tree.find(exp.DistStyleProperty)
    return distribution.this.name, [e.name for e in tree.find(exp.SortKeyProperty).this]


def test_tables_are_distributed_by_patient_and_sorted_by_day():
    assert keys_of(FactRiskScore) == ("patient_key", ["day"])
    assert keys_of(DimPatient) == ("patient_key", ["valid_from"])
    assert keys_of(DimSite)[0] == "ALL"
    assert keys_of(MartDailyKpis)[0] == "ALL"
    for model in EVERY_TABLE:
        columns = [c.name for c in parsed(redshift_sql.table_ddl(model)).find_all(exp.ColumnDef)]
        assert columns == list(model.to_schema().columns)


def test_marks_in_texts_and_comments_are_no_parameters():
    said = "SELECT 'a ? b', \"c?\", d LIKE '%x' -- why?\nFROM t WHERE e = ? AND f % 2 = 0"
    assert placeholders(said) == (
        "SELECT 'a ? b', \"c?\", d LIKE '%%x' -- why?\nFROM t WHERE e = %s AND f %% 2 = 0"
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("redshift://host/db", "no address such as"),
        ("mysql://user@host/db", "no address such as"),
        ("redshift://user@host", "no address such as"),
        ("redshift://user:secret@host/db", "password"),
        ("redshift://user@host/db/a-b", "no name for a schema"),
    ],
)
def test_an_address_that_cannot_be_is_refused(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        Address.parse(text)


def test_an_address_has_the_usual_port_and_wants_encryption():
    found = Address.parse("redshift://user@host/db")
    assert (found.port, found.schema, found.options) == (5439, "public", (("sslmode", "require"),))


@pytest.fixture
def warehouse(redshift):
    return opened("warehouse")


def test_every_statement_that_was_said_is_sql_of_redshift(warehouse, redshift):
    marts(clinic(warehouse))
    warehouse.export()
    said = {re.sub(r"'[^']*'", "''", statement): statement for statement in redshift.backend.statements}
    assert len(said) > 100
    for statement in said.values():
        parsed(statement)
    assert any(statement.startswith("COPY incoming FROM 's3://") for statement in said.values())


def staged(warehouse):
    import pyarrow.fs as pafs

    filesystem, base = warehouse._located
    found = filesystem.get_file_info(
        pafs.FileSelector(f"{base}/loading", recursive=True, allow_not_found=True)
    )
    return [info.path for info in found if info.type == pafs.FileType.File]


def test_what_was_staged_is_gone_when_it_is_loaded(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    assert staged(warehouse) == []


def test_the_client_of_dagster_aws_reads_what_was_published(warehouse, redshift):
    from dagster_aws.redshift import RedshiftClientResource

    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2, 0.4))
    where = Address.parse(warehouse.address)
    client = RedshiftClientResource(
        host=where.host,
        port=where.port,
        user=where.user,
        password=redshift.password,
        database=where.database,
        sslmode="disable",
    ).get_client()
    query = f"SELECT day, probability_12m FROM {where.schema}.fact_risk_score ORDER BY 2"
    assert client.execute_query(query, fetch_results=True) == [(DAY, 0.2), (DAY, 0.4)]


@pytest.fixture
def connector(warehouse, redshift):
    """A connection by Amazon's own driver."""
    driver = pytest.importorskip("redshift_connector", reason="pip install redshift_connector")
    where = Address.parse(warehouse.address)
    with driver.connect(
        host=where.host,
        port=where.port,
        user=where.user,
        password=redshift.password,
        database=where.database,
        ssl=False,
    ) as connection:
        connection.cursor().execute(f"SET search_path TO {where.schema}")
        yield connection


def test_amazon_s_own_driver_loads_unloads_and_rolls_back(warehouse, connector):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    there = f"{warehouse.staging}/by-hand/"
    cursor = connector.cursor()
    cursor.execute(redshift_sql.unload(redshift_sql.exported(FactRiskScore), there, warehouse.role))
    connector.commit()
    for end in (connector.rollback, connector.commit):
        cursor.execute(redshift_sql.staging_ddl(FactRiskScore))
        cursor.execute(redshift_sql.copy(there, warehouse.role))
        cursor.execute(redshift_sql.insert_staged(FactRiskScore))
        cursor.execute("SELECT COUNT(*), MIN(probability_12m) FROM fact_risk_score WHERE day = %s", (DAY,))
        assert list(cursor.fetchone()) == [2, 0.2]
        end()
        assert probabilities(warehouse) == ([0.2] if end == connector.rollback else [0.2, 0.2])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("COPY {t} FROM 's3://lake/nothing-here' IAM_ROLE '{role}' FORMAT AS PARQUET", "does not exist"),
        ("COPY {t} FROM '{at}' FORMAT AS PARQUET", "no IAM_ROLE"),
        ("COPY {t} FROM '{at}' IAM_ROLE '" + ROLE + "' FORMAT AS PARQUET", "Not authorized"),
        ("COPY dim_site FROM '{at}' IAM_ROLE '{role}' FORMAT AS PARQUET", "Unmatched number of columns"),
        ("COPY {t} FROM '{at}' IAM_ROLE '{role}' FORMAT AS PARQUET", "incompatible Parquet schema"),
        ("COPY nowhere FROM '{at}' IAM_ROLE '{role}' FORMAT AS PARQUET", "does not exist"),
        ("INSERT INTO {t} SELECT * FROM {t} ON CONFLICT DO NOTHING", "Redshift does not know it"),
    ],
)
def test_what_redshift_refuses_ends_the_transaction_and_leaves_the_old_rows(warehouse, statement, said):
    import psycopg2

    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    warehouse.transact(
        lambda s: s.execute(
            redshift_sql.unload(
                redshift_sql.exported(FactRiskScore), f"{warehouse.staging}/x/", warehouse.role
            )
        )
    )
    text = statement.format(t="fact_risk_score", at=f"{warehouse.staging}/x/", role=warehouse.role)
    after = []

    def work(session):
        session.execute("DELETE FROM fact_risk_score")
        try:
            session.execute(text)
        except psycopg2.Error as error:
            with pytest.raises(psycopg2.Error, match="aborted"):
                session.execute("SELECT 1")
            after.append("aborted")
            raise error

    with pytest.raises(psycopg2.Error, match=said):
        warehouse.transact(work)
    assert after == ["aborted"]
    assert probabilities(warehouse) == [0.2]


def test_wherever_the_connection_breaks_there_are_the_old_rows_or_the_new_and_the_rerun_gives_the_new(
    warehouse, redshift
):
    """Every statement of a replacement is once the last that is heard, and once the last that is answered."""
    good = warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2, 0.3))
    redshift.backend.statements.clear()
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2, 0.3))
    said = list(redshift.backend.statements)
    kinds = [statement.split()[0] for statement in said]
    assert kinds.index("COPY") < kinds.index("DELETE") < kinds.index("INSERT") < kinds.index("COMMIT")
    seen = set()
    faults = [(n, fault) for n in range(len(said)) for fault in ("reset", "lost")]
    faults.append((kinds.index("COPY"), "cut"))
    for number, fault in faults:
        new = scores(DAY, 0.5 if probabilities(warehouse) == [0.2, 0.3] else 0.2, 0.3)
        old = probabilities(warehouse)
        left = [number]

        def plan(statement, left=left, fault=fault):
            left[0] -= 1
            return fault if left[0] == -1 else None

        redshift.backend.plan = plan
        with pytest.raises(RedshiftUnreachable) as broken:
            warehouse.replace_slice(FactRiskScore, str(DAY), new)
        assert is_transient(broken.value), "the step is tried again"
        redshift.backend.plan = lambda statement: None
        now = probabilities(warehouse)
        committed = kinds[number] == "COMMIT" and fault == "lost"
        assert now == (new["probability_12m"].to_pylist() if committed else old), (said[number], fault)
        seen.add((fault, committed))
        assert staged(warehouse) == [], "nothing is left on S3"
        warehouse.replace_slice(FactRiskScore, str(DAY), new)
        assert probabilities(warehouse) == new["probability_12m"].to_pylist()
    assert seen == {("reset", False), ("lost", False), ("lost", True), ("cut", False)}
    again = warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2, 0.3))
    assert again.content_hash == good.content_hash


def test_a_first_use_that_breaks_half_way_is_made_good_by_the_next(redshift):
    left = [40]

    def plan(statement):
        left[0] -= 1
        return "reset" if left[0] == 0 else None

    redshift.backend.plan = plan
    with pytest.raises(RedshiftUnreachable):
        opened("warehouse").query("SELECT 1")
    redshift.backend.plan = lambda statement: None
    assert opened("warehouse").query("SELECT COUNT(*) AS n FROM v_appointment").to_pylist() == [{"n": 0}]


def test_two_writers_of_different_days_are_both_on_record(warehouse):
    import threading

    def write(day):
        opened("warehouse").replace_slice(FactRiskScore, str(day), scores(day, 0.2))

    writers = [threading.Thread(target=write, args=(day,)) for day in (DAY, NEXT_DAY)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert sorted(key for _, key in warehouse.ledger()) == [str(DAY), str(NEXT_DAY)]
    assert warehouse.read(FactRiskScore).num_rows == 2


def test_an_export_is_replaced_whole_and_the_one_before_can_still_be_read(warehouse):
    import pyarrow.parquet as pq

    filesystem = warehouse._located[0]
    exports = []
    for probability in (0.1, 0.2, 0.3):
        warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, probability))
        exports.append(warehouse.export().address.removeprefix("s3://"))
    held = [
        pq.read_table(f"{export}/fact_risk_score", filesystem=filesystem)["probability_12m"].to_pylist()
        for export in exports[1:]
    ]
    assert held == [[0.2], [0.3]]
    with pytest.raises(FileNotFoundError):
        pq.read_table(f"{exports[0]}/fact_risk_score", filesystem=filesystem)


def test_duckdb_and_redshift_have_the_same_content_hash_for_the_same_rows(warehouse, tmp_path):
    local = Warehouse(folder=str(tmp_path / "local"))
    rows = scores(DAY, 0.2, 0.3)
    here, there = (w.replace_slice(FactRiskScore, str(DAY), rows) for w in (local, warehouse))
    assert here == there
    assert local.read(FactRiskScore).equals(warehouse.read(FactRiskScore))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FALLRISK_REDSHIFT", "redshift://fallrisk@127.0.0.1:1/db?sslmode=disable", "does not let us in"),
        ("FALLRISK_REDSHIFT", "redshift://fallrisk@127.0.0.1", "no address such as"),
        ("FALLRISK_REDSHIFT_ROLE", "me", "no ARN of a role"),
        ("FALLRISK_REDSHIFT_STAGING", "/tmp/here", "is not on S3"),
        ("FALLRISK_REDSHIFT_STAGING", "s3://no-such-bucket/x", "does not exist"),
        ("FALLRISK_REDSHIFT_PASSWORD", "wrong-secret-0815", "does not let us in"),
    ],
)
def test_a_variable_that_says_what_cannot_be_is_named_with_the_resource(
    redshift, monkeypatch, variable, value, said
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Misconfigured, match=f"resource warehouse: {variable}: .*{said}") as failed:
        opened("warehouse")
    assert "wrong-secret-0815" not in str(failed.value)


@pytest.mark.parametrize(
    "variable",
    [
        "FALLRISK_REDSHIFT",
        "FALLRISK_REDSHIFT_PASSWORD",
        "FALLRISK_REDSHIFT_ROLE",
        "FALLRISK_REDSHIFT_STAGING",
        "AWS_REGION",
    ],
)
def test_a_variable_that_is_not_set_fails_at_launch_and_is_named(redshift, monkeypatch, variable):
    assert launch("warehouse").success
    monkeypatch.delenv(variable)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(Exception, match=variable) as failed:
        launch("warehouse")
    assert "warehouse" in str(failed.value)


def test_a_warehouse_on_redshift_takes_a_lake_from_disk(redshift, monkeypatch):
    monkeypatch.setenv("FALLRISK_ENV", "local,warehouse=aws")
    for name in ("FALLRISK_LAKE", "FALLRISK_CATALOG", "FALLRISK_LANDING", "FALLRISK_REPORTS"):
        monkeypatch.delenv(name)
    assert opened("warehouse").ledger() == {}
    assert not opened("lake").address.startswith("s3://")
