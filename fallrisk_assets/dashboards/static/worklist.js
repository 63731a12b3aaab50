/* The clinical worklist: what is chosen, and each block of it. */
cubes.unpacked(document.getElementById("content").textContent).then(function (content) {
  "use strict";
  var form = document.getElementById("filters"), fields = form.elements, chosen, day;
  var cube = new cubes.Cube(content.cube, content.first), NONE = "not known";
  var LISTED = ["patient_id", "rank", "site_id", "reasons", "falls", "last_fall_at", "risk_band",
    "probability_12m", "risk_status", "next_visit_at", "missed_visit_at"];
  var OPEN = ["severity", "rule", "patient_id", "site_id", "device_id", "opened_at", "last_seen_at", "n",
    "acknowledged_at", "state"];

  function named(columns) {
    return function (row) {
      var made = {};
      columns.forEach(function (name, i) { made[name] = row[i]; });
      return made;
    };
  }
  var calls = content.calls.map(named(content.call_columns));
  var alerts = content.alerts.map(named(content.alert_columns));

  function literal(text) { return "'" + text.replace(/'/g, "''") + "'"; }
  function block(id) { return document.getElementById(id); }
  function picked(names) {
    return function (row) { return names.map(function (name) { return row[name]; }); };
  }
  function grave(row) { return content.severities.indexOf(row.severity); }

  function isOpen(alert, end) {
    return alert.opened_at < end && (alert.closed_at === null || alert.closed_at >= end);
  }
  function openSql(alias, end) {
    return alias + "opened_at < TIMESTAMPTZ " + literal(end) + "\n  AND (" + alias + "closed_at IS NULL OR " +
      alias + "closed_at >= TIMESTAMPTZ " + literal(end) + ")";
  }
  function restricted(alias) {
    return Object.keys(chosen).map(function (name) {
      return "\n  AND " + alias + content.source.dimensions[name] +
        (chosen[name] === null ? " IS NULL" : " = " + literal(chosen[name]));
    }).join("");
  }
  function keeps(row) {
    return Object.keys(chosen).every(function (name) {
      return row[content.source.dimensions[name]] === chosen[name];
    });
  }

  function callList(end) {
    var some = "severity" in chosen;
    var concerned = new Set(openAlerts(end).map(function (alert) { return alert.patient_id; }));
    var rows = calls.filter(function (row) {
      return row.day === day && (!("site" in chosen) || row.site_id === chosen.site) &&
        (!some || concerned.has(row.patient_id));
    });
    return {
      columns: [
        { title: "Patient", way: "text" }, { title: "Rank", way: "count" }, { title: "Site", way: "text" },
        { title: "Why", way: "codes" }, { title: "Falls in 14 days", way: "count" },
        { title: "Last fall", way: "time" }, { title: "Risk", way: "band" }, { title: "In 12 months", way: "share" },
        { title: "Newest score", way: "codes" }, { title: "Next visit", way: "time" },
        { title: "Missed visit", way: "time" }
      ],
      notes: ["Called (by, at)", "Outcome"], rows: rows.map(picked(LISTED)), open: true, stack: true,
      sql: "SELECT " + LISTED.join(", ") + "\nFROM mart_outreach AS o\nWHERE day = DATE " + literal(day) +
        ("site" in chosen ? "\n  AND site_id = " + literal(chosen.site || "") : "") +
        (some ? "\n  AND patient_id IN (SELECT patient_id FROM v_alert AS a WHERE " + openSql("a.", end) +
          restricted("a.") + ")" : "") + "\nORDER BY rank",
      empty: "Nobody to call: whoever fell or is at high or rising risk has a visit ahead and missed none."
    };
  }

  function openAlerts(end) {
    return alerts.filter(function (alert) { return isOpen(alert, end) && keeps(alert); });
  }

  function openList(end) {
    var order = "CASE severity " + content.severities.map(function (severity, i) {
      return "WHEN " + literal(severity) + " THEN " + i;
    }).join(" ") + " END";
    var rows = openAlerts(end).map(function (alert, i) { return [alert, i]; });
    rows.sort(function (a, b) { return grave(a[0]) - grave(b[0]) || a[1] - b[1]; });
    return {
      columns: [
        { title: "Severity", way: "severity" }, { title: "Alert", way: "codes" }, { title: "Patient", way: "text" },
        { title: "Site", way: "text" }, { title: "Device", way: "text" }, { title: "Opened", way: "time" },
        { title: "Last seen", way: "time" }, { title: "Times", way: "count" },
        { title: "Acknowledged", way: "time" }, { title: "Newest state", way: "codes" }
      ],
      notes: ["Done"], rows: rows.map(function (row) { return picked(OPEN)(row[0]); }), open: true, stack: true,
      sql: "SELECT " + OPEN.join(", ") + "\nFROM v_alert\nWHERE " + openSql("", end) + restricted("") +
        "\nORDER BY " + order + ", opened_at, alert_id",
      empty: "No alert is open."
    };
  }

  function glance(end, listed) {
    var open = openAlerts(end);
    var from = "FROM v_alert WHERE " + openSql("", end) + restricted("");
    function count(test) { return open.filter(test).length; }
    return {
      columns: [{ title: "At the end of the day", way: "text" }, { title: "Count", way: "count" }],
      rows: [
        ["Patients to call", listed.rows.length],
        ["Open alerts", open.length],
        ["Critical, and nobody has acknowledged", count(function (alert) {
          return alert.severity === "critical" && (alert.acknowledged_at === null || alert.acknowledged_at >= end);
        })],
        ["Wearers who fell silent", new Set(open.filter(function (alert) {
          return alert.rule === "DEVICE_SILENT" && alert.patient_id !== null;
        }).map(function (alert) { return alert.patient_id; })).size]
      ],
      open: true,
      sql: "SELECT 'Patients to call', COUNT(*) FROM (\n" + listed.sql + "\n)\nUNION ALL\n" +
        "SELECT 'Open alerts', COUNT(*) " + from + "\nUNION ALL\n" +
        "SELECT 'Critical, and nobody has acknowledged', COUNT(*) " + from + "\n  AND severity = 'critical' " +
        "AND (acknowledged_at IS NULL OR acknowledged_at >= TIMESTAMPTZ " + literal(end) + ")\nUNION ALL\n" +
        "SELECT 'Wearers who fell silent', COUNT(DISTINCT patient_id) " + from + "\n  AND rule = 'DEVICE_SILENT'"
    };
  }

  function answers(choice, places) {
    var codes = cube.dimensions.severity, groups = cube.byDimension(places, "severity");
    var severities = content.severities.filter(function (one) { return groups.has(codes.names.indexOf(one)); });
    var opened = content.kpis[0];
    return {
      columns: [{ title: "Severity", way: "severity" }, { title: "Alerts opened", way: "count" }].concat(
        content.kpis.map(function (kpi) { return { title: kpi.title, way: kpi.shown_as }; })),
      rows: severities.map(function (severity) {
        var its = groups.get(codes.names.indexOf(severity));
        return [severity, cube.sum(opened.d, its)].concat(content.kpis.map(function (kpi) {
          return charts.value(kpi, cube, its).value;
        }));
      }),
      open: true, empty: "No alert was opened in these days.",
      sql: "SELECT severity, " + opened.denominator_sql + " AS opened,\n  " + content.kpis.map(function (kpi) {
        return charts.quotient(kpi) + " AS " + kpi.kpi;
      }).join(",\n  ") + "\n" + cubes.where(content.source, choice) + "\nGROUP BY severity\nORDER BY CASE severity " +
        content.severities.map(function (severity, i) { return "WHEN " + literal(severity) + " THEN " + i; }).join(" ") +
        " END"
    };
  }

  function draw() {
    day = fields.day.value;
    chosen = {};
    ["site", "severity"].forEach(function (name) {
      var value = fields[name].value;
      if (value) { chosen[name] = value === "?" ? null : value.slice(1); }
    });
    var number = cubes.dayNumber(day), end = cubes.dayText(number + 1) + "T00:00:00+00:00";
    var choice = { from: number - content.days_shown + 1, to: number, of: chosen }, places = cube.keep(choice);
    function fill(id, shown) {
      shown.file = "worklist-" + id + "-" + day;
      shown.empty = shown.empty || "No alert was opened in these days.";
      if (!shown.rows.length) { shown.figure = null; }
      blocks.fill(block(id), shown);
    }
    var said = Object.keys(chosen).map(function (name) {
      return name + " " + (chosen[name] === null ? NONE : chosen[name]);
    });
    block("shown").textContent = "Shown: the end of " + day + " (UTC), " + (said.join(", ") || "all sites and severities") + ".";
    block("answers-days").textContent = cubes.dayText(choice.from) + " to " + day;
    var listed = callList(end);
    fill("glance", glance(end, listed));
    fill("calls", listed);
    fill("open", openList(end));
    fill("answers", answers(choice, places));
    content.breakdowns.forEach(function (one) {
      fill(one.name, charts.classes(one, cube, places, cubes.where(content.source, choice), "Alerts"));
    });
    document.body.setAttribute("data-drawn", block("shown").textContent);
  }

  content.days.forEach(function (one) { fields.day.append(blocks.element("option", {}, [one])); });
  var sites = new Set(cube.dimensions.site.names.concat(
    calls.concat(alerts).map(function (row) { return row.site_id; })));
  Array.from(sites).sort().forEach(function (one) {
    if (one !== null) { fields.site.append(blocks.element("option", { value: "=" + one }, [one])); }
  });
  if (sites.has(null)) { fields.site.append(blocks.element("option", { value: "?" }, [NONE])); }
  content.severities.forEach(function (one) {
    fields.severity.append(blocks.element("option", { value: "=" + one }, [one]));
  });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("change", draw);
  form.addEventListener("reset", function (event) {
    event.preventDefault();
    fields.day.selectedIndex = 0;
    fields.site.value = fields.severity.value = "";
    draw();
  });
  block("print").addEventListener("click", function () { window.print(); });
  draw();
  charts.whenWidthChanges(draw);
  fallrisk.whenColoursChange(draw);
});
