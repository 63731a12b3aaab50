/* The monitoring page: each block of it. */
cubes.unpacked(document.getElementById("content").textContent).then(function (content) {
  "use strict";
  var runs = new cubes.Cube(content.run_cube, content.run_first);
  var rules = new cubes.Cube(content.rule_cube, content.first), rows = new cubes.Cube(content.row_cube, content.first);
  var ofRuns = content.of_runs, ofRules = content.of_rules, ofRows = content.of_rows, MOST_ROWS = 20, form;
  var STATES = [["FIRING", "Firing", "var(--high)", "/"], ["OK", "Well", "var(--low)", ""],
    ["TOO_FEW", "Too few", "var(--medium)", "\\"], ["NO_DATA", "No data", "var(--idle)", "."]];
  var ENDS = [["SUCCESS", "Succeeded", "var(--low)", ""], ["FAILURE", "Failed", "var(--high)", "/"],
    ["CANCELED", "Cancelled", "var(--idle)", "."]];
  var DEFINED = ["rule", "title", "severity", "looks_at", "side", "threshold", "minimum_n", "window_days"];
  var defined = new Map(content.rules.map(function (row) { return [row[0], row]; }));
  var noRun = "No run started in what is chosen" + (content.ran ? "; runs are known of " + content.ran[0] + " to " +
    content.ran[1] + "." : ".");
  function block(id) { return document.getElementById(id); }
  function nameOf(cube, dimension, place) {
    var its = cube.dimensions[dimension];
    return its.names[its.codes[place]];
  }
  function chooser(name) { return function (value) { form.choose(name)(value); }; }
  function text(one) { return one === null ? "" : one; }
  function ordered(a, b) { return a < b ? -1 : a > b ? 1 : 0; }

  function now(choice, places) {
    var newest = new Map();
    places.forEach(function (place) {
      newest.set(nameOf(rules, "rule", place) + "|" + nameOf(rules, "scope", place), place);
    });
    var found = Array.from(newest.values()).map(function (place) {
      var its = defined.get(nameOf(rules, "rule", place)) || [];
      return [nameOf(rules, "rule", place), nameOf(rules, "scope", place), nameOf(rules, "state", place),
        cubes.dayText(rules.first + rules.day[place]), rules.sum(ofRules.value.n, [place]), its[5], its[4],
        rules.sum(ofRules.n.n, [place]), its[2]];
    });
    function rank(state) { return content.states.indexOf(state) === 1 ? -1 : content.states.indexOf(state); }
    found.sort(function (a, b) { return rank(a[2]) - rank(b[2]) || ordered(a[0], b[0]) || ordered(a[1], b[1]); });
    return {
      columns: [{ title: "Rule", way: "text", choose: chooser("rule") }, { title: "Of", way: "text" },
        { title: "State", way: "state" }, { title: "Day", way: "text" }, { title: "Value", way: "fine" },
        { title: "Threshold", way: "fine" }, { title: "Fires", way: "text" }, { title: "n", way: "plain" },
        { title: "Severity", way: "severity" }],
      rows: found, open: true, stack: true,
      sql: "SELECT rule, scope, state, day, value, threshold, side, n, severity FROM (\n  SELECT v_rule_state.*, " +
        "ROW_NUMBER() OVER (PARTITION BY rule, scope ORDER BY day DESC) AS place\n  " +
        cubes.where(content.rule_source, choice).replace(/\n/g, "\n  ") + "\n) AS newest\nWHERE place = 1\n" +
        "ORDER BY CASE state WHEN 'FIRING' THEN 0 WHEN 'OK' THEN 1 WHEN 'TOO_FEW' THEN 2 ELSE 3 END, rule, scope",
      empty: "No rule was judged in what is chosen."
    };
  }

  function alerts(choice) {
    var from = cubes.dayText(choice.from), to = cubes.dayText(choice.to);
    var found = content.alerts.filter(function (row) {
      return row[0] <= to && row[1] >= from && (!("rule" in choice.of) || row[2] === choice.of.rule);
    });
    return {
      columns: [{ title: "Opened", way: "text" }, { title: "Last seen", way: "text" },
        { title: "Rule", way: "text", choose: chooser("rule") }, { title: "Of", way: "text" },
        { title: "Severity", way: "severity" }, { title: "Days", way: "count" }, { title: "State", way: "codes" }],
      rows: found, open: true, stack: true, empty: "No alert on the clinic’s running in what is chosen.",
      sql: "SELECT CAST(opened_at AS DATE), CAST(last_seen_at AS DATE), rule, scope, severity, n, state\n" +
        "FROM v_operations_alert\nWHERE CAST(opened_at AS DATE) <= DATE " + daily.text(to) +
        "\n  AND CAST(last_seen_at AS DATE) >= DATE " + daily.text(from) +
        ("rule" in choice.of ? "\n  AND rule = " + daily.text(text(choice.of.rule)) : "") +
        "\nORDER BY opened_at DESC, rule, scope"
    };
  }

  /* As the warehouse's quantile_cont: between the two nearest values, by where it lies between them. */
  function quantile(sorted, share) {
    var at = share * (sorted.length - 1), low = Math.floor(at), high = Math.ceil(at);
    return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
  }

  function jobs(choice, places) {
    var groups = runs.byDimension(places, "job"), began = runs.dimensions.job.names;
    var found = Array.from(groups.keys()).map(function (code) {
      var its = groups.get(code), took = its.map(function (place) {
        return runs.sum(ofRuns.duration.n, [place]);
      }).filter(function (one) { return one !== null; }).sort(function (a, b) { return a - b; });
      var failed = its.filter(function (place) { return nameOf(runs, "status", place) === "FAILURE"; });
      return [began[code], its.length, failed.length, took.length ? quantile(took, 0.5) : null,
        took.length ? quantile(took, 0.95) : null, took.length ? took[took.length - 1] : null,
        runs.sum(ofRuns.queued.n, its) / its.length];
    });
    found.sort(function (a, b) { return ordered(a[0], b[0]); });
    var known = found.filter(function (row) { return row[4] !== null; });
    return {
      columns: [{ title: "Job", way: "text", choose: chooser("job") }, { title: "Runs", way: "count" },
        { title: "Failed", way: "count" }, { title: "Median, s", way: "plain" }, { title: "95 %, s", way: "plain" },
        { title: "Longest, s", way: "plain" }, { title: "Mean wait, s", way: "plain" }],
      rows: found, open: true, stack: true,
      sql: "SELECT job, COUNT(*) AS runs, COUNT(CASE WHEN status = 'FAILURE' THEN 1 END) AS failed,\n  " +
        "quantile_cont(duration_s, 0.5) AS median_s, quantile_cont(duration_s, 0.95) AS p95_s,\n  " +
        "MAX(duration_s) AS longest_s, SUM(queued_s) / COUNT(*) AS mean_wait_s\n" +
        cubes.where(content.run_source, choice) + "\nGROUP BY job ORDER BY job",
      figure: known.length ? charts.bars(known.map(function (row) { return row[0]; }),
        known.map(function (row) { return row[4]; }),
        known.map(function (row) { return blocks.written(row[4], "plain") + " s"; }), "Seconds in which 95 % of runs end", "") : null
    };
  }

  function failures(choice, places) {
    var failed = places.filter(function (place) { return nameOf(runs, "status", place) === "FAILURE"; });
    var found = failed.map(function (place) {
      return [nameOf(runs, "job", place), cubes.dayText(runs.first + runs.day[place]),
        nameOf(runs, "partition", place), nameOf(runs, "step", place), nameOf(runs, "error", place),
        nameOf(runs, "run", place)];
    });
    found.sort(function (a, b) { return ordered(b[1], a[1]) || ordered(a[0], b[0]) || ordered(a[5], b[5]); });
    return {
      columns: [{ title: "Job", way: "text", choose: chooser("job") }, { title: "Day", way: "text" },
        { title: "Of", way: "text" }, { title: "Step", way: "text" }, { title: "Error", way: "text" },
        { title: "Run", way: "text", small: true }],
      rows: found.slice(0, MOST_ROWS), open: true, stack: true, empty: "No run failed in what is chosen.",
      sql: "SELECT job, day, partition_key, failed_step, error_class, run_id\n" +
        cubes.where(content.run_source, choice) + "\n  AND status = 'FAILURE'\nORDER BY day DESC, job, run_id\nLIMIT " +
        MOST_ROWS
    };
  }

  function longest(choice, places) {
    var found = places.map(function (place) {
      return [nameOf(runs, "job", place), cubes.dayText(runs.first + runs.day[place]),
        nameOf(runs, "partition", place), runs.sum(ofRuns.duration.n, [place]), nameOf(runs, "slowest", place),
        nameOf(runs, "run", place)];
    }).filter(function (row) { return row[3] !== null; });
    found.sort(function (a, b) { return b[3] - a[3] || ordered(a[5], b[5]); });
    return {
      columns: [{ title: "Job", way: "text", choose: chooser("job") }, { title: "Day", way: "text" },
        { title: "Of", way: "text" }, { title: "Seconds", way: "plain" }, { title: "Longest step", way: "text" },
        { title: "Run", way: "text", small: true }],
      rows: found.slice(0, MOST_ROWS), open: true, stack: true,
      sql: "SELECT job, day, partition_key, duration_s, slowest_step, run_id\n" +
        cubes.where(content.run_source, choice) + "\n  AND duration_s IS NOT NULL\nORDER BY duration_s DESC, run_id\n" +
        "LIMIT " + MOST_ROWS
    };
  }

  function published(choice, places) {
    var groups = rows.grouped(places, function (place) { return daily.periodOf(choice, rows.first + rows.day[place]); });
    var periods = daily.sorted(groups), days = periods.map(cubes.dayText);
    var sums = periods.map(function (period) { return rows.sum(ofRows.rows.n, groups.get(period)); });
    return {
      columns: [{ title: daily.periodTitle(choice), way: "text" }, { title: "Rows", way: "count" }],
      rows: days.map(function (day, i) { return [day, sums[i]]; }), atOnce: true,
      sql: "SELECT " + daily.periodSql(choice, "day") + " AS day, SUM(rows) AS rows\n" + rowsWhere(choice) +
        "\nGROUP BY 1 ORDER BY 1",
      figure: daily.stacked(days, [{ name: "Rows", values: sums, colour: "var(--low)", pattern: "" }], "Rows")
    };
  }
  function tables(choice, places) {
    var groups = rows.byDimension(places, "table");
    var found = Array.from(groups.keys()).map(function (code) {
      var its = groups.get(code).filter(function (place) { return rows.sum(ofRows.rows.n, [place]) > 0; });
      var last = its[its.length - 1];
      return [rows.dimensions.table.names[code], rows.sum(ofRows.rows.n, groups.get(code)),
        last === undefined ? null : cubes.dayText(rows.first + rows.day[last]),
        last === undefined ? null : rows.sum(ofRows.rows.n, [last])];
    });
    found.sort(function (a, b) { return ordered(a[0], b[0]); });
    return {
      columns: [{ title: "Table", way: "text" }, { title: "Rows", way: "count" }, { title: "Last day", way: "text" },
        { title: "Rows of it", way: "count" }],
      rows: found, open: true, stack: true,
      sql: "SELECT about, SUM(rows) AS rows, MAX(CASE WHEN rows > 0 THEN day END) AS last_day,\n  " +
        "arg_max(CASE WHEN rows > 0 THEN rows END, CASE WHEN rows > 0 THEN day END) AS rows_of_it\n" +
        rowsWhere(choice) + "\nGROUP BY about ORDER BY about"
    };
  }
  function rowsChoice(choice) { return { from: choice.from, to: choice.to, of: { kind: "table" } }; }
  function rowsWhere(choice) { return cubes.where(content.row_source, rowsChoice(choice)); }

  function definitions() {
    return {
      columns: [{ title: "Rule", way: "text" }, { title: "Meaning", way: "text" }, { title: "Severity", way: "severity" },
        { title: "Looks at", way: "codes" }, { title: "Fires", way: "text" }, { title: "Threshold", way: "fine" },
        { title: "Smallest n", way: "count" }, { title: "Days", way: "count" }],
      rows: content.rules, open: true, stack: true,
      sql: "SELECT " + DEFINED.join(", ") + " FROM dim_monitoring_rule ORDER BY rule"
    };
  }

  function draw(current) {
    form = current;
    var choice = form.choice, judged = rules.keep(choice), ran = runs.keep(choice);
    var counted = rows.keep(rowsChoice(choice)), said = now(choice, judged);
    var fire = said.rows.filter(function (row) { return row[2] === "FIRING"; }).length;
    block("shown").textContent = form.said + fire + (fire === 1 ? " rule fires, " : " rules fire, ") +
      ran.length.toLocaleString("en-US") + (ran.length === 1 ? " run." : " runs.");
    function fill(id, shown, empty) {
      shown.file = "monitoring-" + id + "-" + form.file;
      shown.empty = shown.empty || empty || noRun;
      if (!shown.rows.length) { shown.figure = null; }
      blocks.fill(block(id), shown);
    }
    fill("rules", said);
    fill("states", daily.byClass(rules, content.rule_source, choice, judged, "state", STATES, ofRules.states.n,
      cubes.where(content.rule_source, choice), "Rules and scopes"), "No rule was judged in what is chosen.");
    fill("alerts", alerts(choice));
    fill("runs", daily.byClass(runs, content.run_source, choice, ran, "status", ENDS, ofRuns.runs.n,
      cubes.where(content.run_source, choice), "Runs"));
    fill("jobs", jobs(choice, ran));
    fill("failures", failures(choice, ran));
    fill("longest", longest(choice, ran));
    fill("rows", published(choice, counted), "Nothing was published for what is chosen.");
    fill("tables", tables(choice, counted), "Nothing was published for what is chosen.");
    fill("definitions", definitions());
    document.body.setAttribute("data-drawn", block("shown").textContent);
  }

  form = new daily.Form(content, { job: runs.dimensions.job.names, rule: rules.dimensions.rule.names }, draw);
  ["states", "runs", "rows"].forEach(function (id) { form.chooseByBar(block(id)); });
});
