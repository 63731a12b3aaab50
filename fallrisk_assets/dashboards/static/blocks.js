/* A block of a page: a table with its figure, its SQL and its CSV, all of the same rows. */
var blocks = (function () {
  "use strict";
  var DASH = "\u2013";

  function number(value, digits) {
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  var TEXTS = ["text", "codes", "band", "severity", "time", "state"];
  var BANDS = { high: "\u25b2", medium: "\u25c6", low: "\u25cf" };

  var STATES = { FIRING: "\u25b2", OK: "\u25cf" };

  function sentence(code) {
    var text = code.replace(/_/g, " ").toLowerCase();
    return text.charAt(0).toUpperCase() + text.slice(1);
  }
  function sign(value) { return value > 0 ? "\u25b2\u00a0+" : value < 0 ? "\u25bc\u00a0\u2212" : "=\u00a0"; }

  var WAYS = {
    /* Of what is nearly all, not all is said. */
    heat: function (value) { return String(Math.floor(100 * value + 1e-9)); },
    share: function (value) { return number(100 * value, 1) + "\u00a0%"; },
    signedPoints: function (value) { return sign(value) + number(100 * Math.abs(value), 1) + "\u00a0points"; },
    signed: function (value) { return sign(value) + number(Math.abs(value), 2); },
    signedCount: function (value) { return sign(value) + number(Math.abs(value), 0); },
    count: function (value) { return number(value, 0); },
    money: function (value) { return number(value, 0); },
    minutes: function (value) { return number(value, 1) + "\u00a0min"; },
    days: function (value) { return number(value, 1) + "\u00a0d"; },
    score: function (value) { return number(value, 2); },
    fine: function (value) { return value.toLocaleString("en-US", { maximumSignificantDigits: 4 }); },
    state: function (value) { return (STATES[value] || "\u25cb") + "\u00a0" + (value.length > 2 ? sentence(value) : value); },
    plain: function (value) { return value.toLocaleString("en-US", { maximumFractionDigits: 1 }); },
    text: function (value) { return value; },
    codes: function (value) { return value.split(",").map(sentence).join(", "); },
    band: function (value) { return (BANDS[value] || "\u25cb") + "\u00a0" + value; },
    severity: function (value) { return value; },
    time: function (value) { return value.slice(0, 10) + " " + value.slice(11, 16); }
  };

  function written(value, way) {
    return value === null || value === undefined ? DASH : WAYS[way](value);
  }

  function element(name, attributes, children) {
    var made = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    (children || []).forEach(function (child) { made.append(child); });
    return made;
  }

  /* A text cell that a spreadsheet would take for a formula is marked as text. */
  function csvCell(value) {
    if (value === null || value === undefined) { return ""; }
    if (typeof value === "number") { return String(value); }
    var text = /^[=+\-@\t\r]/.test(value) ? "'" + value : value;
    return /[",\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }

  function csv(columns, rows) {
    var lines = [columns.map(function (column) { return csvCell(column.title); })].concat(
      rows.map(function (row) { return row.map(csvCell); }));
    return lines.map(function (line) { return line.join(",") + "\r\n"; }).join("");
  }

  function download(name, text) {
    var link = element("a", { download: name });
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 0);
  }

  function warmth(value) {
    if (value === null || value === undefined) { return ""; }
    return "heat-" + (value >= 1 ? 4 : value >= 0.9 ? 3 : value >= 0.5 ? 2 : value > 0 ? 1 : 0);
  }

  function cell(value, column, way, first) {
    var isText = TEXTS.indexOf(way) >= 0, content = written(value, way);
    if (column.choose && value !== null) {
      content = element("button", { type: "button", class: "choose", title: "Choose " + value }, [content]);
      content.addEventListener("click", function () { column.choose(value); });
    }
    if (column.link && value !== null) { content = element("a", { href: column.link(value) }, [content]); }
    var made = element(first ? "th" : "td", first ? { scope: "row" } : {}, [content]);
    made.className = way === "heat" ? "num " + warmth(value) : !isText ? "num" : column.small ? "detail"
      : way === "severity" ? "sev-" + value : "";
    made.setAttribute("data-v", value === null || value === undefined ? "" : String(value));
    made.setAttribute("data-label", column.title);
    return made;
  }

  /* `own`, `n` and `change` are ways that differ from row to row: what the row's indicator is written as. */
  function wayOf(column, way) {
    if (column.way === "own") { return way; }
    if (column.way === "n") { return "plain"; }
    if (column.way === "change") { return { share: "signedPoints", count: "signedCount" }[way] || "signed"; }
    return column.way;
  }

  /* notes: headings of columns that only paper has, to write in. */
  function table(shown) {
    var columns = shown.columns, rows = shown.rows, ways = shown.ways;
    var notes = shown.notes || [];
    var head = columns.map(function (column) {
      return element("th", { scope: "col", class: TEXTS.indexOf(column.way) >= 0 ? "" : "num" }, [column.head || column.title]);
    }).concat(notes.map(function (title) { return element("th", { scope: "col", class: "onpaper" }, [title]); }));
    var body = rows.map(function (row, order) {
      return element("tr", {}, columns.map(function (column, place) {
        return cell(row[place], column, wayOf(column, ways && ways[order]), place === 0);
      }).concat(notes.map(function () { return element("td", { class: "onpaper" }); })));
    });
    return element("table", { class: shown.stack ? "stack" : shown.heat ? "heatmap" : "" }, [
      element("thead", {}, [element("tr", {}, head)]), element("tbody", {}, body)]);
  }

  /* A figure is drawn when it comes near the screen, or to paper: a page of many opens at once. */
  function paint(plot) {
    var figure = plot.waiting;
    plot.waiting = null;
    if (figure) { fallrisk.plot(plot, figure); }
  }
  var observer = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      entry.target.near = entry.isIntersecting;
      if (entry.isIntersecting) { paint(entry.target); }
    });
  }, { rootMargin: "600px" });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll(".plot").forEach(paint);
  });

  /* Fills a section of the page.
     shown: {columns: [{title, way}], rows, sql, figure (or null), open: the table is what is looked at,
             atOnce: the figure is drawn wherever it is, file: name of the CSV, empty: what to say without rows} */
  function fill(section, shown) {
    var place = section.querySelector(".content"), plot = section.querySelector(".plot");
    var opened = Array.prototype.map.call(place.querySelectorAll("details"), function (one) { return one.open; });
    if (plot) {
      plot.hidden = !shown.figure;
      plot.waiting = shown.figure;
      if (shown.figure) { plot.style.height = shown.figure.layout.height + "px"; }
      if (plot.near || shown.atOnce) { paint(plot); }
      if (plot.near === undefined) { observer.observe(plot); }
    }
    place.replaceChildren();
    if (!shown.rows.length) {
      place.append(element("p", { class: "empty" }, [shown.empty]));
      return;
    }
    var title = section.querySelector("h2, h3").textContent;
    var scroll = element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": title }, [
      table(shown)]);
    var button = element("button", { type: "button", class: "csv", "aria-label": "CSV of " + title }, ["CSV"]);
    button.addEventListener("click", function () {
      download(shown.file + ".csv", csv(shown.columns, shown.rows));
    });
    var sql = element("details", { class: "sql" }, [
      element("summary", {}, ["SQL"]), element("pre", {}, [element("code", {}, [shown.sql])])]);
    if (shown.open) {
      place.append(scroll, element("div", { class: "tools" }, [sql, button]));
    } else {
      place.append(element("div", { class: "tools" }, [
        element("details", { class: "rows" }, [element("summary", {}, ["Table"]), scroll]), sql, button]));
    }
    place.querySelectorAll("details").forEach(function (one, order) { one.open = Boolean(opened[order]); });
  }

  return { fill: fill, written: written, element: element, csv: csv };
})();
