"""`make sql`: questions to the snapshot, from a person, a pipe or a script."""

import io
import json

import pytest

from fallrisk_assets.warehouse import sql
from fallrisk_assets.warehouse.calendar import dim_date
from fallrisk_assets.warehouse.contract import DimDate
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    warehouse = Warehouse(folder=str(folder / "warehouse"))
    warehouse.replace_slice(DimDate, WHOLE_TABLE, dim_date())
    warehouse.export_snapshot()
    return folder


@pytest.fixture
def ask(data, monkeypatch, capsys):
    """Run the command with the data folder given by the environment, as the Makefile does."""
    monkeypatch.setenv("FALLRISK_DATA", str(data))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = sql.main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_query_prints_a_table_with_nulls_shown_as_such(ask):
    query = "SELECT date_id, holiday_us FROM dim_date WHERE year = 2026 AND is_holiday ORDER BY date LIMIT 2"
    code, out, _ = ask("-c", query)
    assert code == 0
    assert out.splitlines() == [
        " date_id │ holiday_us",
        "─────────┼───────────────",
        "20260101 │ New Year's Day",
        "20260106 │ NULL",
        "(2 rows)",
    ]


def test_long_results_are_cut_with_a_word_about_it_but_not_as_csv(ask):
    _, out, _ = ask("-c", "SELECT date_id FROM dim_date")
    assert "the first 200 rows" in out
    _, out, _ = ask("--format", "csv", "-c", "SELECT date_id FROM dim_date")
    assert len(out.splitlines()) == 1 + dim_date().num_rows


def test_json_gives_a_line_for_each_row(ask):
    _, out, _ = ask("--format", "json", "-c", "SELECT date, holiday_us FROM dim_date ORDER BY date LIMIT 2")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"date": "2020-01-01", "holiday_us": "New Year's Day"},
        {"date": "2020-01-02", "holiday_us": None},
    ]


def test_tables_and_views_are_listed_with_their_rows(ask):
    code, out, _ = ask("-c", ".tables")
    assert code == 0
    assert any(line.startswith("dim_date") and line.endswith("5844") for line in out.splitlines())
    assert "v_cohort_day" in out


def test_statements_may_come_through_a_pipe(ask, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS one; SELECT 'a;b' AS two;"))
    code, out, _ = ask()
    assert code == 0
    assert "one" in out
    assert "a;b" in out


def test_a_mistake_is_told_and_gives_an_exit_code(ask):
    assert ask("-c", "SELEC 1")[0] == 1
    code, out, _ = ask("-c", "SELECT nonsense FROM dim_date; SELECT 1 AS still_here")
    assert code == 1
    assert "nonsense" in out
    assert "still_here" in out
    code, out, _ = ask("-c", "DELETE FROM dim_date")
    assert code == 1
    assert "read-only" in out


def test_without_a_snapshot_the_command_says_what_to_do(ask, tmp_path):
    code, _, err = ask("--snapshot", str(tmp_path / "none.duckdb"), "-c", "SELECT 1")
    assert code == 2
    assert "make run" in err


def test_the_prompt_takes_statements_over_several_lines_until_it_is_left(ask, monkeypatch):
    typed = iter(["SELECT 40", "+ 2 AS answer;", "", "oops;", ".tables", ".quit"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    code, out, _ = ask()
    assert code == 0
    assert "42" in out
    assert "Parser Error" in out
    assert "dim_date" in out
    assert next(typed, "nothing left") == "nothing left"


def test_the_prompt_ends_with_the_end_of_input(ask, monkeypatch):
    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    assert ask()[0] == 0
