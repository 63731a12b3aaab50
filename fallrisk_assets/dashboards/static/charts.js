/* What the clinic's pages draw and add up alike: an indicator's value, bars, classes. */
var charts = (function () {
  "use strict";
  var narrow = window.matchMedia("(max-width: 520px)");

  function layout(height, more) {
    var axis = { gridcolor: "var(--grid)", linecolor: "var(--grid)", fixedrange: true, automargin: true };
    var made = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: height,
      font: { family: "system-ui, sans-serif", size: 12, color: "var(--text)" },
      hoverlabel: { align: "left" }, margin: { l: 44, r: 12, t: 8, b: 32 }, showlegend: false
    };
    Object.assign(made, more);
    made.xaxis = Object.assign({}, axis, more.xaxis);
    made.yaxis = Object.assign({}, axis, more.yaxis);
    return made;
  }

  /* Bars that lie, with room for the text beside the longest. */
  function bars(labels, values, texts, title, suffix, step) {
    var most = Math.max.apply(null, values.concat([0]));
    return {
      data: [{
        type: "bar", orientation: "h", y: labels, x: values, text: texts, textposition: "outside",
        cliponaxis: false, marker: { color: "var(--low)" }, hovertemplate: "%{y}: %{text}<extra></extra>"
      }],
      layout: layout(64 + (step || 28) * labels.length, {
        margin: { l: 10, r: 12, t: 4, b: 44 },
        xaxis: { title: { text: title }, range: [0, (most || 1) * (narrow.matches ? 1.9 : 1.42)],
                 nticks: 4, ticksuffix: suffix, tickangle: 0 },
        yaxis: { type: "category", autorange: "reversed", showgrid: false }
      })
    };
  }

  function value(kpi, cube, places) {
    var n = cube.sum(kpi.n, places), d = cube.sum(kpi.d, places);
    /* A count of nothing is 0; a sum of what nobody measured is not. */
    if (kpi.d === null) {
      if (kpi.shown_as === "count") { n = n || 0; }
      return { n: n, d: null, value: n };
    }
    return { n: n, d: d, value: d && n !== null ? n / d : null };
  }

  function quotient(kpi) {
    return kpi.d === null ? kpi.numerator_sql : kpi.numerator_sql + " / NULLIF(" + kpi.denominator_sql + ", 0)";
  }

  function quoted(name) { return '"' + name.replace(/"/g, '""') + '"'; }

  function classes(breakdown, cube, places, end, noun) {
    var counts = breakdown.classes.map(function (one) { return cube.sum(one.n, places) || 0; });
    var total = counts.reduce(function (sum, n) { return sum + n; }, 0);
    var rows = breakdown.classes.map(function (one, i) {
      return [one.label, counts[i], total ? counts[i] / total : null];
    });
    return {
      columns: [{ title: breakdown.title, way: "text" }, { title: noun, way: "count" },
        { title: "Share", way: "share" }],
      rows: total ? rows : [],
      sql: "SELECT " + breakdown.classes.map(function (one) {
        return one.sql + " AS " + quoted(one.label);
      }).join(",\n  ") + "\n" + end,
      figure: bars(rows.map(function (row) { return row[0]; }), counts,
        rows.map(function (row) { return row[1].toLocaleString("en-US") + " (" + blocks.written(row[2], "share") + ")"; }),
        noun, "")
    };
  }

  return { layout: layout, bars: bars, value: value, quotient: quotient, quoted: quoted, classes: classes,
           whenWidthChanges: function (draw) { narrow.addEventListener("change", draw); } };
})();
