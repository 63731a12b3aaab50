/* The page of the clinic's operations: what is chosen, and each block of it. */
cubes.unpacked(document.getElementById("content").textContent).then(function (content) {
  "use strict";
  var NOT_KNOWN = "not known", WEEKS_FROM_DAYS = 62;
  var VISITS = "v_appointment", WEEKS = "v_utilisation_7d", AHEAD = "mart_day_ahead";
  var COLOURS = {
    "Completed": ["var(--low)", ""], "No-show": ["var(--high)", "/"], "Cancelled": ["var(--gap)", "\\"],
    "Rescheduled": ["var(--walk)", "."], "Scheduled": ["var(--idle)", ""], "In progress": ["var(--ok)", "x"]
  };
  var of = {}, choice;
  [VISITS, WEEKS, AHEAD].forEach(function (view) { of[view] = new cubes.Cube(content.cubes[view], content.first); });
  var visits = of[VISITS], kpis = new Map(content.kpis.map(function (kpi) { return [kpi.kpi, kpi]; }));
  var form = document.getElementById("filters"), fields = form.elements;
  var first = cubes.dayNumber(content.first), last = cubes.dayNumber(content.last);

  function isWeekly(kpi) { return kpi.source === WEEKS; }
  /* Hours are not offered by device: with one chosen, there is nothing to compare with. */
  function isKnown(kpi, asked) {
    return Object.keys(asked.of).every(function (name) { return name in content.sources[kpi.source].dimensions; });
  }
  function within(asked, from, to) { return { from: from, to: to, of: asked.of }; }
  function named(name) { return name === null ? NOT_KNOWN : name; }

  function asked(kpi, period) {
    if (!isKnown(kpi, period)) { return { n: null, d: null, value: null }; }
    var cube = of[kpi.source], days = isWeekly(kpi) ? within(period, period.to, period.to) : period;
    return charts.value(kpi, cube, cube.keep(days));
  }
  function where(kpi, period) {
    return cubes.where(content.sources[kpi.source], isWeekly(kpi) ? within(period, period.to, period.to) : period);
  }
  function text(literal) { return "'" + literal.replace(/'/g, "''") + "'"; }

  function byWeek() { return choice.to - choice.from >= WEEKS_FROM_DAYS; }
  function monday(day) { return day - (day + 3) % 7; }
  function periodOf(day) { return byWeek() ? monday(day) : day; }
  function periodSql(column) {
    return byWeek() ? "CAST(date_trunc('week', " + column + ") AS DATE)" : column;
  }
  function dayAxis(periods) {
    var few = periods.length <= 10;
    return { type: "date", tickformat: "%-d %b", tickangle: 0, nticks: 6,
             tickvals: few ? periods : undefined, hoverformat: "%a %-d %b %Y" };
  }
  function overTime(cube, places, weekly) {
    return cube.grouped(places, function (place) {
      var day = cube.first + cube.day[place];
      return weekly ? day : periodOf(day);
    });
  }
  function sorted(groups) { return Array.from(groups.keys()).sort(function (a, b) { return a - b; }); }
  /* A period of which nothing is known leaves a gap in a line, which is not drawn over it. */
  function drawnPeriods(periods, step) {
    var all = [];
    for (var period = periods[0]; period <= periods[periods.length - 1]; period += step) { all.push(period); }
    return all;
  }
  function periodTitle(weekly) { return byWeek() && !weekly ? "Week of" : "Day"; }
  function block(id) { return document.getElementById(id); }

  var blocksOf = {
    compare: function () {
      var week = within(choice, choice.to - 6, choice.to), before = within(choice, choice.to - 13, choice.to - 7);
      var known = before.from >= first;
      function scalar(kpi, period) {
        return isKnown(kpi, period) ? "(SELECT " + charts.quotient(kpi) + "\n" + where(kpi, period) + ")" : "NULL";
      }
      var rows = [], sql = [];
      content.kpis.forEach(function (kpi) {
        var chosen = isWeekly(kpi) ? null : asked(kpi, choice).value, now = asked(kpi, week);
        var then = known ? asked(kpi, before).value : null;
        rows.push([kpi.title, chosen, now.value, now.d, then,
          now.value === null || then === null ? null : now.value - then, kpi.definition]);
        sql.push("SELECT " + text(kpi.title) + " AS indicator, " +
          (isWeekly(kpi) ? "NULL" : scalar(kpi, choice)) + " AS chosen_days, " + scalar(kpi, week) +
          " AS this_week, " + (known ? scalar(kpi, before) : "NULL") + " AS last_week");
      });
      return {
        columns: [
          { title: "Indicator", way: "text" }, { title: "Chosen days", way: "own" },
          { title: "This week", way: "own" }, { title: "Its denominator", way: "n" },
          { title: "Last week", way: "own" }, { title: "Change", way: "change" },
          { title: "Definition", way: "text", small: true }
        ],
        ways: content.kpis.map(function (kpi) { return kpi.shown_as; }),
        rows: rows, sql: sql.join("\nUNION ALL\n"), open: true, stack: true
      };
    },

    status: function (places) {
      var breakdown = content.breakdowns[0], groups = overTime(visits, places, false), periods = sorted(groups);
      var counts = breakdown.classes.map(function (one) {
        return periods.map(function (period) { return visits.sum(one.n, groups.get(period)); });
      });
      var days = periods.map(cubes.dayText);
      var seen = breakdown.classes.map(function (_, i) { return counts[i].some(Boolean); });
      return {
        columns: [{ title: periodTitle(false), way: "text" }].concat(
          breakdown.classes.map(function (one) { return { title: one.label, way: "count" }; })),
        rows: days.map(function (day, i) {
          return [day].concat(counts.map(function (of_class) { return of_class[i]; }));
        }),
        atOnce: true,
        sql: "SELECT " + periodSql("scheduled_date") + " AS day,\n  " + breakdown.classes.map(function (one) {
          return one.sql + " AS " + charts.quoted(one.label);
        }).join(",\n  ") + "\n" + cubes.where(content.sources[VISITS], choice) + "\nGROUP BY 1 ORDER BY 1",
        figure: {
          data: ["Completed", "No-show", "Cancelled", "Rescheduled", "In progress", "Scheduled"].map(
            function (status) {
              var i = breakdown.classes.findIndex(function (one) { return one.label === status; });
              return {
                type: "bar", name: status, x: days, y: counts[i], visible: seen[i],
                marker: { color: COLOURS[status][0], line: { color: "var(--bg)", width: 0.5 },
                  pattern: { shape: COLOURS[status][1], fillmode: "overlay", size: 6, solidity: 0.25 } },
                hovertemplate: "%{x|%a %-d %b %Y}: %{y:,} " + status.toLowerCase() + "<extra></extra>"
              };
            }),
          layout: charts.layout(320, {
            barmode: "stack", bargap: 0.15, showlegend: true, xaxis: dayAxis(days),
            yaxis: { title: { text: byWeek() ? "Appointments a week" : "Appointments a day" } },
            legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal",
                      itemclick: false, itemdoubleclick: false },
            margin: { l: 52, r: 12, t: 8, b: 32 }
          })
        }
      };
    }
  };

  function indicator(kpi) {
    var source = content.sources[kpi.source], cube = of[kpi.source], weekly = isWeekly(kpi);
    var known = isKnown(kpi, choice), groups = overTime(cube, known ? cube.keep(choice) : [], weekly);
    var periods = sorted(groups);
    var found = periods.map(function (period) { return charts.value(kpi, cube, groups.get(period)); });
    var now = asked(kpi, choice), scale = kpi.shown_as === "share" ? 100 : 1;
    var column = weekly ? source.day_column : periodSql(source.day_column);
    var section = block("kpi-" + kpi.kpi), big = section.querySelector(".value");
    big.textContent = blocks.written(now.value, kpi.shown_as);
    big.setAttribute("data-v", now.value === null ? "" : String(now.value));
    section.querySelector(".of").textContent =
      !known ? "not by device" : weekly ? "of the week to " + cubes.dayText(choice.to)
        : now.d === null ? "in the chosen days" : "of n = " + now.d.toLocaleString("en-US");
    var days = periods.map(cubes.dayText), drawn = drawnPeriods(periods, weekly ? 1 : byWeek() ? 7 : 1);
    var at = drawn.map(function (period) { return found[periods.indexOf(period)]; });
    return {
      columns: [{ title: periodTitle(weekly), way: "text" }, { title: "Numerator", way: "plain" },
        { title: "Denominator", way: "plain" }, { title: kpi.title, way: kpi.shown_as }],
      rows: found.map(function (one, i) { return [days[i], one.n, one.d, one.value]; }),
      sql: "SELECT " + column + " AS day, " + kpi.numerator_sql + " AS numerator,\n  " +
        (kpi.denominator_sql || "NULL") + " AS denominator,\n  " + charts.quotient(kpi) + " AS value\n" +
        cubes.where(source, choice) + "\nGROUP BY 1 ORDER BY 1",
      empty: known ? undefined : "Hours are offered by provider, not by device: choose all devices to see it.",
      figure: {
        data: [{
          type: "scatter", mode: drawn.length > 40 ? "lines" : "lines+markers", x: drawn.map(cubes.dayText),
          y: at.map(function (one) {
            return one ? one.value === null ? null : scale * one.value : kpi.d === null ? 0 : null;
          }),
          connectgaps: false, line: { color: "var(--low)", width: 1.8 }, marker: { size: 5, color: "var(--low)" },
          customdata: at.map(function (one) { return !one || one.d === null ? "" : " of " + one.d.toLocaleString("en-US"); }),
          hovertemplate: "%{x|%a %-d %b %Y}: %{y:.4~g}%{customdata}<extra></extra>"
        }],
        layout: charts.layout(170, {
          xaxis: dayAxis(days), margin: { l: 40, r: 14, t: 6, b: 26 },
          yaxis: Object.assign({ nticks: 4, rangemode: "tozero", ticksuffix: scale === 100 ? " %" : "" },
            kpi.shown_as === "score" ? { range: [1, 5.1], dtick: 1 } : {})
        })
      }
    };
  }

  function issuesBy(name, places) {
    var kpi = kpis.get(content.issue_kpi), groups = visits.byDimension(places, name);
    var column = content.sources[VISITS].dimensions[name], names = visits.dimensions[name].names;
    var rows = sorted(groups).map(function (code) {
      var found = charts.value(kpi, visits, groups.get(code));
      return [named(names[code]), found.n, found.d, found.value];
    }).filter(function (row) { return row[2]; });
    return {
      columns: [{ title: name === "device" ? "Device" : "Browser", way: "text" }, { title: "With an issue", way: "count" },
        { title: "Sessions of which it is known", way: "count" }, { title: kpi.title, way: "share" }],
      rows: rows,
      sql: "SELECT " + column + ", " + kpi.numerator_sql + " AS numerator,\n  " + kpi.denominator_sql +
        " AS denominator,\n  " + charts.quotient(kpi) + " AS value\n" + cubes.where(content.sources[VISITS], choice) +
        "\nGROUP BY 1 HAVING " + kpi.denominator_sql + " > 0 ORDER BY 1",
      figure: charts.bars(rows.map(function (row) { return row[0]; }),
        rows.map(function (row) { return 100 * row[3]; }),
        rows.map(function (row) {
          return blocks.written(row[3], "share") + " (" + row[1].toLocaleString("en-US") + " of " +
            row[2].toLocaleString("en-US") + ")";
        }), "Sessions with a technical issue", " %")
    };
  }

  function providers(places) {
    var shown = content.provider_kpis.map(function (name) { return kpis.get(name); });
    var found = new Map();
    function gather(cube, kept, side) {
      var specialty = cube.dimensions.specialty, provider = cube.dimensions.provider;
      cube.grouped(kept, function (place) {
        return JSON.stringify([provider.names[provider.codes[place]], specialty.names[specialty.codes[place]]]);
      }).forEach(function (its, key) {
        if (!found.has(key)) { found.set(key, {}); }
        found.get(key)[side] = its;
      });
    }
    var day = within(choice, choice.to, choice.to), knowsWeeks = isKnown(kpis.get("utilisation_7d"), choice);
    gather(visits, places, VISITS);
    if (knowsWeeks) { gather(of[WEEKS], of[WEEKS].keep(day), WEEKS); }
    var rows = Array.from(found.keys()).sort().map(function (key) {
      var names = JSON.parse(key), its = found.get(key);
      return [named(names[0]), named(names[1])].concat(shown.map(function (kpi) {
        return charts.value(kpi, of[kpi.source], its[kpi.source] || []).value;
      }));
    });
    var ofVisits = shown.filter(function (kpi) { return !isWeekly(kpi); });
    var weekly = shown.filter(isWeekly)[0];
    return {
      columns: [{ title: "Provider", way: "text", choose: function (name) {
        fields.provider.value = "=" + name;
        draw();
      } }, { title: "Specialty", way: "text" }].concat(
        shown.map(function (kpi) { return { title: kpi.title, way: kpi.shown_as }; })),
      rows: rows, open: true,
      sql: "WITH visits AS (\nSELECT provider_id, specialty,\n  " + ofVisits.map(function (kpi) {
        return charts.quotient(kpi) + " AS " + kpi.kpi;
      }).join(",\n  ") + "\n" + cubes.where(content.sources[VISITS], choice) + "\nGROUP BY ALL\n), weeks AS (\n" +
        "SELECT provider_id, specialty, " + charts.quotient(weekly) + " AS " + weekly.kpi + "\n" +
        (knowsWeeks ? cubes.where(content.sources[WEEKS], day) : "FROM " + WEEKS + " WHERE FALSE") +
        "\nGROUP BY ALL\n)\nSELECT provider_id, specialty, " + shown.map(function (kpi) {
          return kpi.d === null ? "COALESCE(" + kpi.kpi + ", 0)" : kpi.kpi;
        }).join(", ") + "\nFROM visits FULL JOIN weeks USING (provider_id, specialty)\nORDER BY provider_id, specialty"
    };
  }

  /* What lay ahead at the end of the last chosen day. */
  function daysAhead() {
    var cube = of[AHEAD], source = content.sources[AHEAD], end = within(choice, choice.to, choice.to);
    var known = isKnown({ source: AHEAD }, choice), places = known ? cube.keep(end) : [];
    var counts = content.ahead_counts, number = {}, section = block("ahead");
    counts.forEach(function (one) { number[one.name] = one.n; });
    function sums(its) { return counts.map(function (one) { return cube.sum(one.n, its); }); }
    function free(its) {
      var offered = cube.sum(number.available_7d, its), planned = cube.sum(number.minutes_7d, its);
      return offered === null || planned === null ? null : offered - planned;
    }
    var groups = cube.grouped(places, function (place) {
      return JSON.stringify(["provider", "specialty"].map(function (name) {
        return cube.dimensions[name].names[cube.dimensions[name].codes[place]];
      }));
    });
    var rows = Array.from(groups.keys()).sort().map(function (key) {
      var its = groups.get(key);
      return JSON.parse(key).map(named).concat(sums(its), [free(its)]);
    });
    var expected = cube.sum(number.expected, places), booked = cube.sum(number.booked, places);
    var day = cubes.dayText(choice.to), big = section.querySelector(".value"), drawn = rows.filter(function (row) {
      return row[3] !== null;
    }).sort(function (a, b) { return b[3] - a[3]; }).slice(0, 12);
    big.textContent = blocks.written(expected, "plain");
    big.setAttribute("data-v", expected === null ? "" : String(expected));
    section.querySelector(".of").textContent = !places.length ? "" : "probable no-shows on " +
      cubes.dayText(choice.to + 1) + ", of " + cube.sum(number.judged, places).toLocaleString("en-US") +
      " judged and " + booked.toLocaleString("en-US") + " booked";
    section.querySelector(".model").textContent = places.length && content.models[day]
      ? "The model: " + content.models[day] + "." : "";
    var aggregates = counts.map(function (one) { return one.sql + " AS " + one.name; });
    var offeredSql = counts[7].sql, plannedSql = counts[5].sql;
    return {
      columns: [{ title: "Provider", way: "text", choose: function (name) {
        fields.provider.value = "=" + name;
        draw();
      } }, { title: "Specialty", way: "text" }].concat(
        counts.map(function (one) { return { title: one.title, way: one.way }; }),
        [{ title: "Free minutes", way: "count" }]),
      rows: rows, open: true, stack: true,
      empty: known ? "Nothing is known of what lay ahead at the end of " + day + "."
        : "Nobody knows yet from which device: choose all devices to see it.",
      sql: "SELECT provider_id, specialty,\n  " + aggregates.join(",\n  ") + ",\n  " + offeredSql + " - " +
        plannedSql + " AS free_7d\n" + cubes.where(source, end) + "\nGROUP BY ALL ORDER BY provider_id, specialty",
      figure: !drawn.length ? null : charts.bars(drawn.map(function (row) { return row[0]; }),
        drawn.map(function (row) { return row[3]; }),
        drawn.map(function (row) {
          return blocks.written(row[3], "plain") + " (of " + row[4].toLocaleString("en-US") + " judged)";
        }), "Probable no-shows", "")
    };
  }

  function draw() {
    choice = { from: cubes.dayNumber(fields.from.value), to: cubes.dayNumber(fields.to.value), of: {} };
    ["specialty", "provider", "device"].forEach(function (name) {
      var chosen = fields[name].value;
      if (chosen) { choice.of[name] = chosen === "?" ? null : chosen.slice(1); }
    });
    var places = visits.keep(choice);
    var said = Object.keys(choice.of).map(function (name) { return name + " " + named(choice.of[name]); });
    block("shown").textContent = "Shown: " + fields.from.value + " to " + fields.to.value + ", " +
      (said.join(", ") || "all specialties, providers and devices") + "; " +
      places.reduce(function (n, place) { return n + visits.measures[kpis.get("booked").n].values[place]; }, 0)
        .toLocaleString("en-US") + " appointments.";
    function fill(id, shown) {
      shown.file = "operations-" + id + "-" + fields.from.value + "-" + fields.to.value;
      shown.empty = shown.empty || "Nothing of it in what is chosen.";
      if (shown.rows.length === 0) { shown.figure = null; }
      blocks.fill(block(id), shown);
    }
    fill("compare", blocksOf.compare());
    fill("ahead", daysAhead());
    fill("status", blocksOf.status(places));
    content.kpis.forEach(function (kpi) { fill("kpi-" + kpi.kpi, indicator(kpi)); });
    content.breakdowns.slice(1).forEach(function (one) { fill(one.name, charts.classes(one, visits, places,
      cubes.where(content.sources[VISITS], choice), "Appointments")); });
    fill("issues-device", issuesBy("device", places));
    fill("issues-browser", issuesBy("browser", places));
    fill("providers", providers(places));
    document.body.setAttribute("data-drawn", block("shown").textContent);
  }

  function setDays(from, to) {
    fields.from.value = cubes.dayText(Math.max(from, first));
    fields.to.value = cubes.dayText(to);
  }
  function begin() {
    fields.period.value = "28";
    setDays(cubes.dayNumber(content.final) - 27, cubes.dayNumber(content.final));
  }

  ["specialty", "provider", "device"].forEach(function (name) {
    var names = new Set(visits.dimensions[name].names);
    if (name !== "device") { of[WEEKS].dimensions[name].names.forEach(function (one) { names.add(one); }); }
    Array.from(names).sort().forEach(function (one) {
      if (one !== null) { fields[name].append(blocks.element("option", { value: "=" + one }, [one])); }
    });
    if (names.has(null)) { fields[name].append(blocks.element("option", { value: "?" }, [NOT_KNOWN])); }
  });
  ["from", "to"].forEach(function (name) {
    fields[name].min = content.first;
    fields[name].max = content.last;
  });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function (event) {
    event.preventDefault();
    fields.specialty.value = fields.provider.value = fields.device.value = "";
    begin();
    draw();
  });
  form.addEventListener("change", function (event) {
    var changed = event.target, other = changed.name === "from" ? fields.to : fields.from;
    if (changed.name === "from" || changed.name === "to") {
      if (!changed.value || !changed.checkValidity()) { return; }
      if (fields.from.value > fields.to.value) { other.value = changed.value; }
    }
    if (changed.name === "period") {
      var to = cubes.dayNumber(fields.to.value);
      setDays(changed.value === "all" ? first : to - Number(changed.value) + 1, to);
    } else if (changed.name === "from" || changed.name === "to") {
      fields.period.value = "";
    }
    draw();
  });
  begin();
  draw();
  block("status").querySelector(".plot").on("plotly_click", function (event) {
    var from = cubes.dayNumber(event.points[0].x.slice(0, 10));
    var to = Math.min(byWeek() ? from + 6 : from, last);
    setDays(from, to);
    fields.period.value = "";
    draw();
  });
  charts.whenWidthChanges(draw);
  fallrisk.whenColoursChange(draw);
});
