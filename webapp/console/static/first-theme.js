// Before the first paint, and so no module: what was chosen is there at once, and nothing flashes.
(function () {
  try {
    const chosen = localStorage.getItem("herald.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Where a browser keeps nothing, the system's theme is used.
  }
})();
