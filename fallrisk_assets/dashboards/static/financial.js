/* The financial page: each block of it. Amounts are estimates, and each block says of how many visits. */
cubes.unpacked(document.getElementById("content").textContent).then(function (content) {
  "use strict";
  var cube = new cubes.Cube(content.cube, content.first), source = content.source;
  var kpis = content.kpis, delivered = kpis[0], lost = kpis[1];
  function block(id) { return document.getElementById(id); }

  function overTime(choice, places) {
    var groups = cube.grouped(places, function (place) {
      return daily.periodOf(choice, cube.first + cube.day[place]);
    });
    var periods = daily.sorted(groups), days = periods.map(cubes.dayText);
    function amounts(kpi) {
      return periods.map(function (period) { return charts.value(kpi, cube, groups.get(period)).value; });
    }
    var of = [amounts(delivered), amounts(lost)];
    return {
      columns: [{ title: daily.periodTitle(choice), way: "text" }, { title: delivered.title, way: "money" },
        { title: lost.title, way: "money" }],
      rows: days.map(function (day, i) { return [day, of[0][i], of[1][i]]; }), atOnce: true,
      sql: "SELECT " + daily.periodSql(choice, source.day_column) + " AS day,\n  " + delivered.numerator_sql +
        " AS delivered,\n  " + lost.numerator_sql + " AS lost\n" + cubes.where(source, choice) +
        "\nGROUP BY 1 ORDER BY 1",
      figure: daily.stacked(days, [
        { name: "Delivered", values: of[0], colour: "var(--low)", pattern: "" },
        { name: "Lost to no-shows", values: of[1], colour: "var(--high)", pattern: "/" }
      ], "Estimated amount")
    };
  }

  /* Counts and indicators by one or more of the dimensions. */
  function table(choice, places, names, titles, choosing) {
    var columns = names.map(function (name) { return source.dimensions[name]; });
    var groups = cube.grouped(places, function (place) {
      return JSON.stringify(names.map(function (name) {
        var its = cube.dimensions[name];
        return its.names[its.codes[place]];
      }));
    });
    var rows = Array.from(groups.keys()).sort().map(function (key) {
      var its = groups.get(key);
      return JSON.parse(key).map(daily.named).concat(
        content.counts.map(function (one) { return cube.sum(one.n, its); }),
        kpis.map(function (kpi) { return charts.value(kpi, cube, its).value; }));
    });
    return {
      columns: names.map(function (name, i) {
        return { title: titles[i], way: "text", choose: i === 0 ? choosing : undefined };
      }).concat(content.counts.map(function (one) { return { title: one.title, way: "count" }; }),
        kpis.map(function (kpi) { return { title: kpi.title.replace(", estimated", ""), way: kpi.shown_as }; })),
      rows: rows, open: true, stack: true,
      sql: "SELECT " + columns.join(", ") + ",\n  " +
        content.counts.map(function (one) { return one.sql + " AS " + one.name; }).concat(
          kpis.map(function (kpi) { return charts.quotient(kpi) + " AS " + kpi.kpi; })).join(",\n  ") + "\n" +
        cubes.where(source, choice) + "\nGROUP BY ALL ORDER BY ALL"
    };
  }

  var form;
  function draw(now) {
    form = now;
    var choice = now.choice, places = cube.keep(choice);
    var without = cube.sum(content.counts[2].n, places) || 0;
    block("shown").textContent = now.said + "estimates, no invoices; " + without.toLocaleString("en-US") +
      (without === 1 ? " visit or no-show has" : " visits and no-shows have") + " none.";
    function fill(id, shown) {
      shown.file = "financial-" + id + "-" + now.file;
      shown.empty = "Nothing was delivered or lost in what is chosen.";
      if (!shown.rows.length) { shown.figure = null; }
      blocks.fill(block(id), shown);
    }
    fill("amounts", overTime(choice, places));
    kpis.forEach(function (kpi) {
      fill("kpi-" + kpi.kpi, daily.indicator(block("kpi-" + kpi.kpi), kpi, cube, source, choice));
    });
    fill("specialties", table(choice, places, ["specialty"], ["Specialty"], function (name) {
      form.choose("specialty")(name);
    }));
    fill("providers", table(choice, places, ["provider", "specialty"], ["Provider", "Specialty"], function (name) {
      form.choose("provider")(name);
    }));
    document.body.setAttribute("data-drawn", block("shown").textContent);
  }

  form = new daily.Form(content, {
    specialty: cube.dimensions.specialty.names, provider: cube.dimensions.provider.names
  }, draw);
  form.chooseByBar(block("amounts"));
});
