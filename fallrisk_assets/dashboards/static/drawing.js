/* What the scripts of all pages share: colours of the theme in figures, and drawing anew when it changes. */
var fallrisk = (function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");

  function resolved(value, style) {
    if (typeof value === "string") {
      var name = /^var\((--[a-z-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) {
      return value.map(function (item) { return resolved(item, style); });
    }
    if (value && typeof value === "object") {
      var copy = {};
      Object.keys(value).forEach(function (key) { copy[key] = resolved(value[key], style); });
      return copy;
    }
    return value;
  }

  return {
    plot: function (element, figure) {
      figure = resolved(figure, getComputedStyle(root));
      Plotly.react(element, figure.data, figure.layout, { responsive: true, displayModeBar: false });
    },
    whenColoursChange: function (drawAgain) {
      dark.addEventListener("change", drawAgain);
      window.addEventListener("beforeprint", function () {
        root.classList.add("paper");
        if (dark.matches) { drawAgain(); }
      });
      window.addEventListener("afterprint", function () {
        root.classList.remove("paper");
        if (dark.matches) { drawAgain(); }
      });
    }
  };
})();
