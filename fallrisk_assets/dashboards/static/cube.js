/* Cubes in the browser: unpack, choose, add up; and what is chosen as SQL. Not here: what a page shows. */
var cubes = (function () {
  "use strict";
  var DAY_MS = 86400000;

  function unpacked(text) {
    var bytes = Uint8Array.from(atob(text), function (letter) { return letter.charCodeAt(0); });
    var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).json();
  }

  function dayNumber(text) { return Math.round(Date.parse(text + "T00:00:00Z") / DAY_MS); }
  function dayText(number) { return new Date(number * DAY_MS).toISOString().slice(0, 10); }

  /* One row for each cell: `keep(choice)` gives the places of the cells that a choice leaves. */
  function Cube(content, first) {
    this.first = dayNumber(first);
    this.day = content.day;
    this.dimensions = content.dimensions;
    this.measures = content.measures;
  }

  Cube.prototype.keep = function (choice) {
    var cube = this, places = [], from = choice.from - this.first, to = choice.to - this.first;
    var wanted = Object.keys(choice.of).filter(function (name) { return cube.dimensions[name]; });
    var codes = wanted.map(function (name) { return cube.dimensions[name].codes; });
    var codeOf = wanted.map(function (name) { return cube.dimensions[name].names.indexOf(choice.of[name]); });
    for (var place = 0; place < this.day.length; place += 1) {
      if (this.day[place] < from) { continue; }
      if (this.day[place] > to) { break; }
      var kept = true;
      for (var i = 0; kept && i < codes.length; i += 1) { kept = codes[i][place] === codeOf[i]; }
      if (kept) { places.push(place); }
    }
    return places;
  };

  /* Adds up exactly: whole numbers first, the scale last. Of what nobody measured the sum is null, not 0. */
  Cube.prototype.sum = function (number, places) {
    if (number === null) { return null; }
    var measure = this.measures[number], total = null;
    places.forEach(function (place) {
      if (measure.values[place] !== null) { total += measure.values[place]; }
    });
    return total === null ? null : total / Math.pow(10, measure.places);
  };

  Cube.prototype.grouped = function (places, keyOf) {
    var groups = new Map();
    places.forEach(function (place) {
      var key = keyOf(place);
      if (!groups.has(key)) { groups.set(key, []); }
      groups.get(key).push(place);
    });
    return groups;
  };

  Cube.prototype.byDimension = function (places, name) {
    var codes = this.dimensions[name].codes;
    return this.grouped(places, function (place) { return codes[place]; });
  };

  function literal(text) { return "'" + text.replace(/'/g, "''") + "'"; }

  /* The rows of a choice as the end of a query: what the page adds up, the warehouse can say too. */
  function where(source, choice) {
    var parts = choice.from === choice.to
      ? [source.day_column + " = DATE " + literal(dayText(choice.to))]
      : [source.day_column + " BETWEEN DATE " + literal(dayText(choice.from)) +
         " AND DATE " + literal(dayText(choice.to))];
    Object.keys(choice.of).forEach(function (name) {
      var column = source.dimensions[name];
      if (!column) { return; }
      parts.push(choice.of[name] === null ? column + " IS NULL" : column + " = " + literal(choice.of[name]));
    });
    return "FROM " + source.view + "\nWHERE " + parts.join("\n  AND ");
  }

  return { unpacked: unpacked, Cube: Cube, where: where, dayNumber: dayNumber, dayText: dayText };
})();
