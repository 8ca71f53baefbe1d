// @ts-check
/** Light, dark, or as the system is: a button goes round. What was chosen is kept in the browser. */
import { fill, give, icon } from "./dom.js";

const KEPT = "herald.theme";
const ROUND = /** @type {const} */ (["system", "light", "dark"]);
const LABELS = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

/** Told to who draws by hand, when the colours are others. */
export const THEME_CHANGED = "herald-theme";

/** @param {HTMLElement} button */
export function startTheme(button) {
  let theme = chosen();
  const show = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    fill(button, icon(theme));
    give(button, { "aria-label": LABELS[theme], title: LABELS[theme] });
    dispatchEvent(new Event(THEME_CHANGED));
  };
  button.addEventListener("click", () => {
    theme = ROUND[(ROUND.indexOf(theme) + 1) % ROUND.length];
    localStorage.setItem(KEPT, theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

function chosen() {
  const kept = localStorage.getItem(KEPT);
  return ROUND.find((theme) => theme === kept) ?? "system";
}

/** A colour of the style sheet, as it is just now.
 *
 * @param {string} name
 */
export function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
