/* The clinical page: each block of it. */
cubes.unpacked(document.getElementById("content").textContent).then(function (content) {
  "use strict";
  var risk = new cubes.Cube(content.risk, content.first), alerts = new cubes.Cube(content.alerts, content.first);
  var counts = content.counts, MOST_ROWS = 20, form;
  var BANDS = [["high", "High", "var(--high)", "/"], ["medium", "Medium", "var(--medium)", "\\"],
    ["low", "Low", "var(--low)", ""], ["NOT_SCORED", "Not scored", "var(--idle)", "."]];
  var VERDICTS = [["CLOSED_CONFIRMED", "Confirmed", "var(--high)", "/"], ["CLOSED_FALSE", "False", "var(--low)", ""],
    ["CLOSED_DEVICE", "The device", "var(--medium)", "\\"], [null, "No verdict", "var(--idle)", "."]];
  var SEVERITIES = { critical: ["var(--high)", "x"], high: ["var(--high)", "/"], medium: ["var(--medium)", "\\"],
    low: ["var(--low)", ""] };
  function block(id) { return document.getElementById(id); }
  function nameOf(cube, dimension, place) {
    var its = cube.dimensions[dimension];
    return its.names[its.codes[place]];
  }
  function also(choice, name, value) {
    var of = Object.assign({}, choice.of);
    of[name] = value;
    return { from: choice.from, to: choice.to, of: of };
  }
  function capital(text) { return text.charAt(0).toUpperCase() + text.slice(1); }
  function choosePatient(name) { form.choose("patient")(name); }

  /* The last chosen day on which anybody was scored; the last chosen one where there is none. */
  function scoredDay(places) {
    var last = null;
    places.forEach(function (place) {
      if (risk.sum(counts.probability.n, [place]) !== null) { last = risk.first + risk.day[place]; }
    });
    return last;
  }
  function onDay(choice, day) { return { from: day, to: day, of: choice.of }; }

  function restricted(choice, columns) {
    return Object.keys(columns).filter(function (name) { return name in choice.of; }).map(function (name) {
      var wanted = choice.of[name];
      return "\n  AND " + columns[name] + (wanted === null ? " IS NULL" : " = " + daily.text(wanted));
    }).join("");
  }
  var COLUMNS = { site: "site_id", age: "age_group", patient: "wearable_patient_id" };

  /* Rows of a list of a day, by the page's filters. rows: [day, ...columns]. */
  function listed(rows, columns, choice, day) {
    var place = {};
    columns.forEach(function (name, i) { place[name] = i + 1; });
    return rows.filter(function (row) {
      return row[0] === day && Object.keys(COLUMNS).every(function (name) {
        return !(name in choice.of) || row[place[COLUMNS[name]]] === choice.of[name];
      });
    });
  }

  function movers(choice, day) {
    var text = day === null ? null : cubes.dayText(day);
    var rows = day === null ? [] : listed(content.movers, content.mover_columns, choice, text);
    var early = text !== null && text < content.lists_since;
    return {
      columns: [{ title: "Patient", way: "text", choose: choosePatient }, { title: "Site", way: "text" },
        { title: "Age group", way: "text" }, { title: "Band", way: "band" },
        { title: "In 12 months", way: "share" }, { title: "Baseline", way: "share" },
        { title: "Change", way: "signedPoints" }, { title: "Days of the baseline", way: "count" }],
      rows: rows.slice(0, MOST_ROWS).map(function (row) { return row.slice(1); }), open: true, stack: true,
      sql: "SELECT " + content.mover_columns.join(", ") + "\nFROM v_risk_change\nWHERE day = DATE " +
        daily.text(text || "") + " AND ABS(change_12m) >= " + content.notable + restricted(choice, COLUMNS) +
        "\nORDER BY ABS(change_12m) DESC, wearable_patient_id\nLIMIT " + MOST_ROWS,
      empty: day === null ? "Nobody was scored in what is chosen."
        : early ? "Movers are kept here from " + content.lists_since + " on; the warehouse has earlier ones."
        : "On " + text + " nobody with a baseline of seven days moved by as much."
    };
  }

  function outreach(choice) {
    var to = cubes.dayText(choice.to);
    var days = content.lists.filter(function (day) { return day <= to; }), day = days[days.length - 1];
    var rows = day === undefined ? [] : listed(content.calls, content.call_columns, choice, day);
    var wanted = content.call_columns.slice(0, -1);
    return {
      columns: [{ title: "Patient", way: "text", choose: choosePatient }, { title: "Rank", way: "count" },
        { title: "Site", way: "text" }, { title: "Why", way: "codes" }, { title: "Falls in 14 days", way: "count" },
        { title: "Last fall", way: "time" }, { title: "Risk", way: "band" }, { title: "In 12 months", way: "share" },
        { title: "Next visit", way: "time" }, { title: "Missed visit", way: "time" }],
      rows: rows.slice(0, MOST_ROWS).map(function (row) { return row.slice(1, -1); }), open: true, stack: true,
      sql: "SELECT " + wanted.join(", ") + "\nFROM v_outreach\nWHERE day = DATE " + daily.text(day || to) +
        restricted(choice, COLUMNS) + "\nORDER BY rank\nLIMIT " + MOST_ROWS,
      empty: day === undefined ? "No list up to " + to + " is kept here; lists begin on " + content.lists_since + "."
        : "On " + day + " nobody of what is chosen was to be called."
    };
  }

  /* Indicators by one dimension of the alerts. */
  function byName(choice, places, dimension, title, way, choosing, most) {
    var groups = alerts.byDimension(places, dimension), column = content.alert_source.dimensions[dimension];
    var rows = Array.from(groups.keys()).map(function (code) {
      return [alerts.dimensions[dimension].names[code]].concat(content.kpis.map(function (kpi) {
        return charts.value(kpi, alerts, groups.get(code)).value;
      }));
    });
    rows.sort(function (a, b) { return b[1] - a[1] || (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0); });
    return {
      columns: [{ title: title, way: way, choose: choosing }].concat(content.kpis.map(function (kpi) {
        return { title: kpi.title, way: kpi.shown_as };
      })),
      rows: rows.slice(0, most), open: true, stack: true,
      sql: "SELECT " + column + ",\n  " + content.kpis.map(function (kpi) {
        return charts.quotient(kpi) + " AS " + kpi.kpi;
      }).join(",\n  ") + "\n" + cubes.where(content.alert_source, choice) + "\nGROUP BY " + column +
        "\nORDER BY alerts_opened DESC, " + column + (most ? "\nLIMIT " + most : "")
    };
  }

  function patient(choice, places) {
    var days = places.map(function (place) { return cubes.dayText(risk.first + risk.day[place]); });
    var values = places.map(function (place) { return risk.sum(counts.probability.n, [place]); });
    function toDay(value) { return value + ".html#" + encodeURIComponent(choice.of.patient); }
    return {
      columns: [{ title: "Day", way: "text", link: toDay }, { title: "Band", way: "band" },
        { title: "In 12 months", way: "share" }],
      rows: places.map(function (place, i) { return [days[i], nameOf(risk, "band", place), values[i]]; }),
      sql: "SELECT day, band, CAST(probability_12m AS DECIMAL(9, 6)) AS probability_12m\n" +
        cubes.where(content.risk_source, choice) + "\nORDER BY day",
      figure: {
        data: [{
          type: "scatter", mode: days.length > 40 ? "lines" : "lines+markers", x: days,
          y: values.map(function (one) { return one === null ? null : 100 * one; }), connectgaps: false,
          line: { color: "var(--low)", width: 1.8 }, marker: { size: 6, color: "var(--low)" },
          hovertemplate: "%{x|%a %-d %b %Y}: %{y:.1f} %<extra></extra>"
        }],
        layout: charts.layout(220, {
          xaxis: { type: "date", tickformat: "%-d %b", tickangle: 0, nticks: 6,
                   tickvals: days.length <= 10 ? days : undefined },
          yaxis: { nticks: 5, rangemode: "tozero", ticksuffix: " %" }, margin: { l: 44, r: 14, t: 8, b: 28 }
        })
      }
    };
  }

  function draw(now) {
    form = now;
    var choice = now.choice, people = risk.keep(choice), opened = alerts.keep(choice);
    var day = scoredDay(people), named = "patient" in choice.of && choice.of.patient !== null;
    var fallen = opened.filter(function (place) { return nameOf(alerts, "rule", place) === "FALL_DETECTED"; });
    var number = content.kpis[0].n;
    var how_many = alerts.sum(number, opened) || 0;
    block("shown").textContent = now.said + how_many.toLocaleString("en-US") +
      (how_many === 1 ? " alert" : " alerts") + " opened; scores of the day are those of " + (day === null ? "no day" : cubes.dayText(day)) + ".";
    function fill(id, shown, empty) {
      shown.file = "clinical-" + id + "-" + now.file;
      shown.empty = shown.empty || empty || "No alert was opened in what is chosen.";
      if (!shown.rows.length) { shown.figure = null; }
      blocks.fill(block(id), shown);
    }
    block("one-patient").hidden = !named;
    if (named) {
      fill("patient", patient(choice, people), "No day of this patient was looked at in these days.");
    } else {
      block("patient").querySelector(".content").replaceChildren();
    }
    fill("bands", daily.byClass(risk, content.risk_source, choice, people, "band", BANDS, counts.people.n,
      cubes.where(content.risk_source, choice), "Patient-days"), "Nobody was looked at in what is chosen.");
    var last = onDay(choice, day === null ? choice.to : day);
    fill("spread", charts.classes(content.spread, risk, risk.keep(last), cubes.where(content.risk_source, last),
      "Patients"), "Nobody was scored in what is chosen.");
    fill("movers", movers(choice, day));
    content.kpis.forEach(function (kpi) {
      fill("kpi-" + kpi.kpi, daily.indicator(block("kpi-" + kpi.kpi), kpi, alerts, content.alert_source, choice));
    });
    fill("falls", daily.byClass(alerts, content.alert_source, choice, fallen, "state", VERDICTS, number,
      cubes.where(content.alert_source, also(choice, "rule", "FALL_DETECTED")), "Detected falls"),
      "No fall was detected in what is chosen.");
    fill("alerts", daily.byClass(alerts, content.alert_source, choice, opened, "severity",
      content.severities.map(function (one) { return [one, capital(one)].concat(SEVERITIES[one]); }), number,
      cubes.where(content.alert_source, choice), "Alerts"));
    fill("rules", byName(choice, opened, "rule", "Rule", "codes"));
    fill("patients", byName(choice, opened, "patient", "Patient", "text", choosePatient, MOST_ROWS));
    fill("outreach", outreach(choice));
    document.body.setAttribute("data-drawn", block("shown").textContent);
  }

  function names(dimension, also) {
    return (also || []).concat(risk.dimensions[dimension].names, alerts.dimensions[dimension].names);
  }
  form = new daily.Form(content, {
    site: names("site"), age: names("age"), severity: alerts.dimensions.severity.names, patient: names("patient")
  }, draw);
  ["bands", "falls", "alerts"].forEach(function (id) { form.chooseByBar(block(id)); });
});
