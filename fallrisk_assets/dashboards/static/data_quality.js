/* The data-quality page: each block of it. */
cubes.unpacked(document.getElementById("content").textContent).then(function (content) {
  "use strict";
  var cube = new cubes.Cube(content.cube, content.first), source = content.source, counts = content.counts;
  var OUTCOMES = [["passed", "var(--low)", ""], ["failed", "var(--high)", "/"], ["not run", "var(--idle)", "."]];
  var MOST_BARS = 12, form;
  function block(id) { return document.getElementById(id); }
  function dimension(name, place) {
    var its = cube.dimensions[name];
    return its.names[its.codes[place]];
  }
  function keep(choice, kind) {
    return cube.keep({ from: choice.from, to: choice.to, of: Object.assign({ kind: kind }, choice.of) });
  }
  function where(choice, kind) {
    return cubes.where(source, { from: choice.from, to: choice.to, of: Object.assign({ kind: kind }, choice.of) });
  }
  function chooseTable(name) { form.choose("table")(name); }
  function ofOutcome(places, outcome) {
    return cube.sum(counts.lines.n, places.filter(function (place) {
      return dimension("outcome", place) === outcome;
    })) || 0;
  }
  function outcomeSql(outcome) { return "COUNT(CASE WHEN outcome = " + daily.text(outcome) + " THEN 1 END)"; }

  function outcomes(choice) {
    var groups = cube.grouped(keep(choice, "check"), function (place) {
      return daily.periodOf(choice, cube.first + cube.day[place]);
    });
    var periods = daily.sorted(groups), days = periods.map(cubes.dayText);
    var of = OUTCOMES.map(function (one) {
      return periods.map(function (period) { return ofOutcome(groups.get(period), one[0]); });
    });
    return {
      columns: [{ title: daily.periodTitle(choice), way: "text" }].concat(OUTCOMES.map(function (one) {
        return { title: one[0].charAt(0).toUpperCase() + one[0].slice(1), way: "count" };
      })),
      rows: days.map(function (day, i) { return [day].concat(of.map(function (its) { return its[i]; })); }),
      atOnce: true,
      sql: "SELECT " + daily.periodSql(choice, source.day_column) + " AS day,\n  " + OUTCOMES.map(function (one) {
        return outcomeSql(one[0]) + " AS " + charts.quoted(one[0]);
      }).join(",\n  ") + "\n" + where(choice, "check") + "\nGROUP BY 1 ORDER BY 1",
      figure: daily.stacked(days, OUTCOMES.map(function (one, i) {
        return { name: one[0].charAt(0).toUpperCase() + one[0].slice(1), values: of[i], colour: one[1], pattern: one[2] };
      }), "Checks")
    };
  }

  function chosenRows(rows, choice) {
    var from = cubes.dayText(choice.from), to = cubes.dayText(choice.to);
    return rows.filter(function (row) {
      return row[0] >= from && row[0] <= to && (!("table" in choice.of) || row[1] === choice.of.table);
    });
  }

  function failures(choice) {
    return {
      columns: [{ title: "Check", way: "text" }, { title: "Table", way: "text", choose: chooseTable },
        { title: "Day", way: "text" }, { title: "Severity", way: "text" },
        { title: "What it said", way: "text", small: true }],
      rows: chosenRows(content.failures, choice).map(function (row) {
        return [row[2], row[1], row[0], row[3], row[4]];
      }),
      open: true, stack: true, empty: "No check failed in what is chosen.",
      sql: "SELECT name, about, day, severity, detail\n" + where(choice, "check") +
        "\n  AND outcome = 'failed'\nORDER BY day DESC, about, name"
    };
  }

  function checks(choice) {
    var groups = cube.grouped(keep(choice, "check"), function (place) {
      return JSON.stringify([dimension("name", place), dimension("table", place)]);
    });
    var rows = Array.from(groups.keys()).map(function (key) {
      var its = groups.get(key), newest = its[its.length - 1];
      return JSON.parse(key).concat([dimension("outcome", newest)],
        OUTCOMES.map(function (one) { return ofOutcome(its, one[0]); }));
    });
    rows.sort(function (a, b) {
      return b[4] - a[4] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : a[0] < b[0] ? -1 : 1);
    });
    return {
      columns: [{ title: "Check", way: "text" }, { title: "Table", way: "text", choose: chooseTable },
        { title: "Newest outcome", way: "text" }, { title: "Passed", way: "count" },
        { title: "Failed", way: "count" }, { title: "Not run", way: "count" }],
      rows: rows, stack: true,
      sql: "SELECT name, about, arg_max(outcome, day) AS newest,\n  " + OUTCOMES.map(function (one) {
        return outcomeSql(one[0]) + " AS " + charts.quoted(one[0]);
      }).join(",\n  ") + "\n" + where(choice, "check") + "\nGROUP BY name, about\nORDER BY failed DESC, about, name"
    };
  }

  function quarantine(choice) {
    var groups = new Map();
    chosenRows(content.refusals, choice).forEach(function (row) {
      var key = JSON.stringify([row[2], row[1]]), so_far = groups.get(key) || { rows: 0, sample: null };
      so_far.rows += row[3];
      if (row[4] !== null && (so_far.sample === null || row[4] < so_far.sample)) { so_far.sample = row[4]; }
      groups.set(key, so_far);
    });
    var rows = Array.from(groups.keys()).map(function (key) {
      return JSON.parse(key).concat([groups.get(key).rows, groups.get(key).sample]);
    });
    rows.sort(function (a, b) {
      return b[2] - a[2] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : a[0] < b[0] ? -1 : 1);
    });
    var drawn = rows.slice(0, MOST_BARS);
    return {
      columns: [{ title: "Reason", way: "text" },
        { title: "Table", way: "text", choose: chooseTable }, { title: "Rows", way: "count" },
        { title: "Sample", way: "text", small: true }],
      rows: rows, open: true, stack: true, empty: "Nothing was refused in what is chosen.",
      sql: "SELECT name, about, SUM(rows) AS rows, MIN(detail) AS sample\n" + where(choice, "refusal") +
        "\nGROUP BY name, about\nORDER BY SUM(rows) DESC, about, name",
      figure: charts.bars(drawn.map(function (row) { return row[0] + "<br>" + row[1]; }),
        drawn.map(function (row) { return row[2]; }),
        drawn.map(function (row) { return row[2].toLocaleString("en-US"); }), "Rows refused", "", 40)
    };
  }

  function restated(choice) {
    var from = cubes.dayText(choice.from), to = cubes.dayText(choice.to);
    return {
      columns: [{ title: "Day", way: "text" }, { title: "Indicator", way: "text" }, { title: "Name", way: "text" },
        { title: "Time", way: "count" }, { title: "Was", way: "fine" }, { title: "Is", way: "fine" },
        { title: "Restated on", way: "text" }],
      rows: content.restated.filter(function (row) { return row[0] >= from && row[0] <= to; }),
      open: true, stack: true, empty: "No figure of the chosen days was restated.",
      sql: "SELECT day, kpi, title, restatement, value_before, value, restated_on\nFROM v_kpi_restatement\n" +
        "WHERE day BETWEEN DATE " + daily.text(from) + " AND DATE " + daily.text(to) +
        "\nORDER BY restated_at DESC, day DESC, kpi"
    };
  }

  function freshness(choice) {
    var groups = cube.byDimension(keep(choice, "table"), "table");
    var rows = daily.sorted(groups).map(function (code) {
      var its = groups.get(code), newest = null;
      its.forEach(function (place) {
        if (cube.sum(counts.partitions.n, [place]) > 0) { newest = cube.first + cube.day[place]; }
      });
      var published = cube.sum(counts.partitions.n, its), expected = cube.sum(counts.expected.n, its);
      return [cube.dimensions.table.names[code], newest === null ? null : cubes.dayText(newest),
        newest === null ? null : choice.to - newest, published, expected, published / expected,
        cube.sum(counts.rows.n, its)];
    });
    return {
      columns: [{ title: "Table", way: "text", choose: chooseTable }, { title: "Newest day", way: "text" },
        { title: "Days behind", way: "count" }, { title: "Published", way: "count" },
        { title: "Expected", way: "count" }, { title: "Share", way: "share" }, { title: "Rows", way: "count" }],
      rows: rows, open: true, stack: true,
      sql: "SELECT about, MAX(CASE WHEN partitions > 0 THEN day END) AS newest,\n  DATE " +
        daily.text(cubes.dayText(choice.to)) + " - MAX(CASE WHEN partitions > 0 THEN day END) AS behind,\n  " +
        "SUM(partitions) AS published, SUM(expected_partitions) AS expected,\n  " +
        "SUM(partitions) / NULLIF(SUM(expected_partitions), 0) AS share, SUM(rows) AS rows\n" +
        where(choice, "table") + "\nGROUP BY about ORDER BY about"
    };
  }

  /* A heat map is a table whose cells are coloured and say their number: for eyes, ears, keys and paper alike. */
  function heat(choice, kind, name, column, title, part, whole, partColumn, wholeColumn) {
    var places = keep(choice, kind), groups = cube.byDimension(places, name);
    function periodAt(place) { return daily.periodOf(choice, cube.first + cube.day[place]); }
    var periods = daily.sorted(cube.grouped(places, periodAt));
    var period = daily.periodSql(choice, source.day_column);
    var rows = daily.sorted(groups).map(function (code) {
      var its = cube.grouped(groups.get(code), periodAt);
      return [cube.dimensions[name].names[code]].concat(periods.map(function (one) {
        var known = (its.get(one) || []).filter(function (place) { return cube.sum(whole, [place]); });
        return known.length ? cube.sum(part, known) / cube.sum(whole, known) : null;
      }));
    });
    return {
      columns: [{ title: title, way: "text" }].concat(periods.map(function (one) {
        return { title: cubes.dayText(one), head: cubes.dayText(one).slice(5), way: "heat" };
      })),
      rows: rows, open: true, heat: true,
      sql: "SELECT " + column + ",\n  " + periods.map(function (one) {
        var when = period + " = DATE " + daily.text(cubes.dayText(one)) + " AND " + wholeColumn + " > 0";
        return "SUM(CASE WHEN " + when + " THEN " + partColumn + " END) / SUM(CASE WHEN " + when + " THEN " +
          wholeColumn + " END) AS " + charts.quoted(cubes.dayText(one));
      }).join(",\n  ") + "\n" + where(choice, kind) + "\nGROUP BY 1 ORDER BY 1"
    };
  }

  function draw(now) {
    form = now;
    var choice = now.choice, failed = failures(choice), refused = quarantine(choice);
    var rows = refused.rows.reduce(function (sum, row) { return sum + row[2]; }, 0);
    block("shown").textContent = now.said + failed.rows.length.toLocaleString("en-US") +
      (failed.rows.length === 1 ? " failure of a check, " : " failures of checks, ") +
      rows.toLocaleString("en-US") + (rows === 1 ? " row refused." : " rows refused.");
    function fill(id, shown) {
      shown.file = "data-quality-" + id + "-" + now.file;
      shown.empty = shown.empty || "Nothing of it in what is chosen.";
      if (!shown.rows.length) { shown.figure = null; }
      blocks.fill(block(id), shown);
    }
    content.kpis.forEach(function (kpi) {
      fill("kpi-" + kpi.kpi, daily.indicator(block("kpi-" + kpi.kpi), kpi, cube, source, choice));
    });
    fill("outcomes", outcomes(choice));
    fill("failures", failed);
    fill("checks", checks(choice));
    fill("quarantine", refused);
    fill("restated", restated(choice));
    fill("freshness", freshness(choice));
    fill("tables", heat(choice, "table", "table", "about", "Table", counts.partitions.n, counts.expected.n,
      "partitions", "expected_partitions"));
    fill("devices", heat(choice, "device", "name", "name", "Device", counts.rows.n, counts.samples.n,
      "rows", "expected_samples"));
    document.body.setAttribute("data-drawn", block("shown").textContent);
  }

  form = new daily.Form(content, { table: cube.dimensions.table.names }, draw);
  form.chooseByBar(block("outcomes"));
});
