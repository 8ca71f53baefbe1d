// @ts-check
/** What stands where there is nothing to show. */
import { messageOf } from "./api.js";
import { fill, h } from "./dom.js";

/** Say instead of rows why there are none.
 *
 * @param {string} title @param {...(Node | string)} more
 */
export function nothingHere(title, ...more) {
  const box = h("div", { class: "nothing" });
  fill(box, h("p", { class: "nothing-title" }, title), h("p", {}, ...more));
  return box;
}

/** Say what failed and why, with a button to try it again.
 *
 * @param {string} title @param {unknown} error @param {() => void} again
 */
export function failedHere(title, error, again) {
  const box = nothingHere(title, messageOf(error));
  box.setAttribute("role", "alert");
  box.append(h("p", {}, h("button", { type: "button", onclick: () => again() }, "Try again")));
  return box;
}
