/* What pages of days do alike: the form that chooses days and names, days or weeks on an axis, a number's card. */
var daily = (function () {
  "use strict";
  var NOT_KNOWN = "not known", WEEKS_FROM_DAYS = 62;

  function named(name) { return name === null ? NOT_KNOWN : name; }
  function text(literal) { return "'" + literal.replace(/'/g, "''") + "'"; }

  /* Long choices are shown by weeks, which begin on Mondays. */
  function byWeek(choice) { return choice.to - choice.from >= WEEKS_FROM_DAYS; }
  function periodOf(choice, day) { return byWeek(choice) ? day - (day + 3) % 7 : day; }
  function periodSql(choice, column) {
    return byWeek(choice) ? "CAST(date_trunc('week', " + column + ") AS DATE)" : column;
  }
  function periodTitle(choice) { return byWeek(choice) ? "Week of" : "Day"; }
  function periodEnd(choice, from) { return byWeek(choice) ? from + 6 : from; }

  /* All periods from the first to the last: one of which nothing is known leaves a gap in a line. */
  function drawn(choice, periods) {
    var all = [], step = byWeek(choice) ? 7 : 1;
    for (var one = periods[0]; one <= periods[periods.length - 1]; one += step) { all.push(one); }
    return all;
  }
  function axis(periods) {
    var few = periods.length <= 10;
    return { type: "date", tickformat: "%-d %b", tickangle: 0, nticks: 6,
             tickvals: few ? periods : undefined, hoverformat: "%a %-d %b %Y" };
  }
  function sorted(groups) { return Array.from(groups.keys()).sort(function (a, b) { return a - b; }); }

  /* Bars by period, one upon another; each series has a colour and a pattern of its own.
     series: [{name, values, colour, pattern, way}] */
  function stacked(days, series, title) {
    return {
      data: series.map(function (one) {
        return {
          type: "bar", name: one.name, x: days, y: one.values,
          marker: { color: one.colour, line: { color: "var(--bg)", width: 0.5 },
            pattern: { shape: one.pattern, fillmode: "overlay", size: 6, solidity: 0.25 } },
          hovertemplate: "%{x|%a %-d %b %Y}: %{y:,.0f} " + one.name.toLowerCase() + "<extra></extra>"
        };
      }),
      layout: charts.layout(300, {
        barmode: "stack", bargap: 0.15, showlegend: true, xaxis: axis(days),
        yaxis: { title: { text: title }, rangemode: "tozero" },
        legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal",
                  itemclick: false, itemdoubleclick: false },
        margin: { l: 52, r: 12, t: 8, b: 32 }
      })
    };
  }

  /* Cells of a cube by period and by class of one of its dimensions, one bar upon another.
     classes: [[value, title, colour, pattern]]; the class of null is every value that is in none. */
  function byClass(cube, source, choice, places, dimension, classes, number, sql, title) {
    var known = classes.map(function (one) { return one[0]; }), other = known.indexOf(null);
    function classOf(place) {
      var its = cube.dimensions[dimension], found = known.indexOf(its.names[its.codes[place]]);
      return found < 0 ? other : found;
    }
    var groups = cube.grouped(places, function (place) {
      return periodOf(choice, cube.first + cube.day[place]);
    });
    var periods = sorted(groups), days = periods.map(cubes.dayText);
    var of = classes.map(function (one, order) {
      return periods.map(function (period) {
        return cube.sum(number, groups.get(period).filter(function (place) { return classOf(place) === order; })) || 0;
      });
    });
    var column = source.dimensions[dimension];
    var rest = known.filter(function (one) { return one !== null; }).map(text).join(", ");
    return {
      columns: [{ title: periodTitle(choice), way: "text" }].concat(classes.map(function (one) {
        return { title: one[1], way: "count" };
      })),
      rows: days.map(function (day, i) { return [day].concat(of.map(function (its) { return its[i]; })); }),
      atOnce: true,
      sql: "SELECT " + periodSql(choice, source.day_column) + " AS day,\n  " + classes.map(function (one) {
        var is = one[0] === null ? column + " NOT IN (" + rest + ")" : column + " = " + text(one[0]);
        return "COUNT(CASE WHEN " + is + " THEN 1 END) AS " + charts.quoted(one[1]);
      }).join(",\n  ") + "\n" + sql + "\nGROUP BY 1 ORDER BY 1",
      figure: stacked(days, classes.map(function (one, i) {
        return { name: one[1], values: of[i], colour: one[2], pattern: one[3] };
      }), title)
    };
  }

  /* An indicator as a card: its value of what is chosen, and over time. */
  function indicator(section, kpi, cube, source, choice) {
    var places = cube.keep(choice), now = charts.value(kpi, cube, places);
    var groups = cube.grouped(places, function (place) { return periodOf(choice, cube.first + cube.day[place]); });
    var periods = sorted(groups), scale = kpi.shown_as === "share" ? 100 : 1;
    var found = periods.map(function (period) { return charts.value(kpi, cube, groups.get(period)); });
    var big = section.querySelector(".value"), days = periods.map(cubes.dayText);
    big.textContent = blocks.written(now.value, kpi.shown_as);
    big.setAttribute("data-v", now.value === null ? "" : String(now.value));
    section.querySelector(".of").textContent = now.d === null ? "in the chosen days"
      : "of " + blocks.written(now.d, "plain");
    var all = drawn(choice, periods);
    var known = found.some(function (one) { return one.value !== null; });
    return {
      columns: [{ title: periodTitle(choice), way: "text" }, { title: "Numerator", way: "plain" },
        { title: "Denominator", way: "plain" }, { title: kpi.title, way: kpi.shown_as }],
      rows: found.map(function (one, i) { return [days[i], one.n, one.d, one.value]; }),
      sql: "SELECT " + periodSql(choice, source.day_column) + " AS day, " + kpi.numerator_sql +
        " AS numerator,\n  " + (kpi.denominator_sql || "NULL") + " AS denominator,\n  " + charts.quotient(kpi) +
        " AS value\n" + cubes.where(source, choice) + "\nGROUP BY 1 ORDER BY 1",
      figure: !known ? null : {
        data: [{
          type: "scatter", mode: all.length > 40 ? "lines" : "lines+markers", x: all.map(cubes.dayText),
          y: all.map(function (period) {
            var one = found[periods.indexOf(period)];
            return one && one.value !== null ? scale * one.value : null;
          }),
          connectgaps: false, line: { color: "var(--low)", width: 1.8 }, marker: { size: 5, color: "var(--low)" },
          hovertemplate: "%{x|%a %-d %b %Y}: %{y:,.4~g}<extra></extra>"
        }],
        layout: charts.layout(170, {
          xaxis: axis(days), margin: { l: 40, r: 14, t: 6, b: 26 },
          yaxis: { nticks: 4, rangemode: "tozero", ticksuffix: scale === 100 ? " %" : "" }
        })
      }
    };
  }

  /* The form: a period that counts back from the last day, own days, and a select for each kind of name.
     content: {first, last, final}; names: values by the select's name (null: not known).
     Returns {choice: as cubes want it, said: in words, setDays, choose}; draw is called after each change. */
  function Form(content, names, draw) {
    var form = document.getElementById("filters"), fields = form.elements, self = this;
    var first = cubes.dayNumber(content.first), last = cubes.dayNumber(content.last);

    function setDays(from, to) {
      fields.from.value = cubes.dayText(Math.max(from, first));
      fields.to.value = cubes.dayText(Math.min(to, last));
    }
    function begin() {
      var final = cubes.dayNumber(content.final);
      fields.period.value = "28";
      setDays(final - 27, final);
    }
    function changed() {
      self.choice = { from: cubes.dayNumber(fields.from.value), to: cubes.dayNumber(fields.to.value), of: {} };
      Object.keys(names).forEach(function (name) {
        var chosen = fields[name].value;
        if (chosen) { self.choice.of[name] = chosen === "?" ? null : chosen.slice(1); }
      });
      var said = Object.keys(self.choice.of).map(function (name) { return name + " " + named(self.choice.of[name]); });
      self.said = "Shown: " + fields.from.value + " to " + fields.to.value +
        (said.length ? ", " + said.join(", ") : "") + "; ";
      self.file = fields.from.value + "-" + fields.to.value;
      draw(self);
    }

    Object.keys(names).forEach(function (name) {
      var values = new Set(names[name]);
      Array.from(values).filter(function (one) { return one !== null; }).sort().forEach(function (one) {
        fields[name].append(blocks.element("option", { value: "=" + one }, [one]));
      });
      if (values.has(null)) { fields[name].append(blocks.element("option", { value: "?" }, [NOT_KNOWN])); }
    });
    ["from", "to"].forEach(function (name) {
      fields[name].min = content.first;
      fields[name].max = content.last;
    });
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    form.addEventListener("reset", function (event) {
      event.preventDefault();
      Object.keys(names).forEach(function (name) { fields[name].value = ""; });
      begin();
      changed();
    });
    form.addEventListener("change", function (event) {
      var field = event.target, other = field.name === "from" ? fields.to : fields.from;
      if (field.name === "from" || field.name === "to") {
        if (!field.value || !field.checkValidity()) { return; }
        if (fields.from.value > fields.to.value) { other.value = field.value; }
        fields.period.value = "";
      } else if (field.name === "period" && field.value) {
        var to = cubes.dayNumber(fields.to.value);
        setDays(field.value === "all" ? first : to - Number(field.value) + 1, to);
      }
      changed();
    });
    /* Chooses a name, as a button in a table does. */
    this.choose = function (name) {
      return function (value) {
        fields[name].value = "=" + value;
        changed();
      };
    };
    /* A bar of a figure chooses its day or week. */
    this.chooseByBar = function (section) {
      section.querySelector(".plot").on("plotly_click", function (event) {
        var from = cubes.dayNumber(event.points[0].x.slice(0, 10));
        setDays(from, periodEnd(self.choice, from));
        fields.period.value = "";
        changed();
      });
    };
    begin();
    changed();
    charts.whenWidthChanges(changed);
    fallrisk.whenColoursChange(changed);
  }

  return { Form: Form, named: named, text: text, periodOf: periodOf, periodSql: periodSql, sorted: sorted,
           periodTitle: periodTitle, stacked: stacked, byClass: byClass, indicator: indicator };
})();
