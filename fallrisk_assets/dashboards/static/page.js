(function () {
  "use strict";
  var pool = JSON.parse(document.getElementById("figure-pool").textContent);

  function unpooled(parts) {
    Object.keys(parts).forEach(function (name) {
      var part = parts[name];
      if (part && part.$ !== undefined) { parts[name] = pool[part.$]; }
    });
    return parts;
  }

  function draw(element) {
    var figure = JSON.parse(document.getElementById(element.id + "-json").textContent);
    figure.data.forEach(unpooled);
    unpooled(figure.layout);
    if (element.clientWidth < 520) {
      figure.layout.font.size = 11;
      if (figure.layout.xaxis.tickvals && figure.layout.xaxis.tickvals.length === 9) {
        figure.layout.xaxis.dtick = 6;
        figure.layout.xaxis.tickvals = [0, 6, 12, 18, 24];
        figure.layout.xaxis.ticktext = ["00:00", "06:00", "12:00", "18:00", "24:00"];
      }
    }
    fallrisk.plot(element, figure);
    element.setAttribute("data-drawn", "");
  }

  function drawShown(again) {
    document.querySelectorAll("[data-figure]").forEach(function (element) {
      if (element.closest("[hidden]")) {
        if (again) { element.removeAttribute("data-drawn"); }
      } else if (again || !element.hasAttribute("data-drawn")) {
        draw(element);
      }
    });
  }

  var articles = Array.prototype.slice.call(document.querySelectorAll("article.patient"));
  var select = document.getElementById("patient-select");

  /* A link from another page knows the patient and not his place in this one. */
  function idOf(fragment) {
    var wanted = decodeURIComponent(fragment);
    var option = Array.prototype.find.call(select ? select.options : [], function (one) {
      return one.getAttribute("data-patient") === wanted;
    });
    return option ? option.value : fragment;
  }

  function show(id) {
    if (!articles.some(function (article) { return article.id === id; })) { return false; }
    articles.forEach(function (article) { article.hidden = article.id !== id; });
    select.value = id;
    drawShown(false);
    return true;
  }

  if (articles.length) {
    select.addEventListener("change", function () {
      history.replaceState(null, "", "#" + select.value);
      show(select.value);
    });
    window.addEventListener("hashchange", function () {
      var id = idOf(location.hash.slice(1));
      if (show(id)) { document.getElementById(id).scrollIntoView(); }
    });
    var asked = idOf(location.hash.slice(1));
    if (show(asked)) {
      document.getElementById(asked).scrollIntoView();
    } else {
      show(articles[0].id);
    }
  }
  drawShown(false);

  function sortable(table) {
    var body = table.tBodies[0];
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = head.querySelector("button");
      button.addEventListener("click", function () {
        var now = head.getAttribute("aria-sort");
        var down = now ? now === "ascending" : button.hasAttribute("data-down");
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var rows = Array.prototype.slice.call(body.rows).map(function (row, order) {
          var cell = row.cells[column];
          return { row: row, order: order, text: cell.dataset.natural, value: cell.dataset.v };
        });
        rows.sort(function (a, b) {
          if (a.text !== undefined) {
            var names = a.text.localeCompare(b.text, "en", { numeric: true });
            return (down ? -names : names) || a.order - b.order;
          }
          if (a.value === "" || b.value === "") {
            return (a.value === "") - (b.value === "") || a.order - b.order;
          }
          var difference = Number(a.value) - Number(b.value);
          return (down ? -difference : difference) || a.order - b.order;
        });
        rows.forEach(function (item) { body.appendChild(item.row); });
        document.getElementById("sort-status").textContent =
          "Sorted by " + button.textContent + (down ? ", largest first." : ", smallest first.");
      });
    });
  }
  document.querySelectorAll("table.sortable").forEach(sortable);

  fallrisk.whenColoursChange(function () { drawShown(true); });
})();
