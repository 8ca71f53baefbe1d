// @ts-check
/**
 * What hits fall into: values with a bar each, as long as their share.
 *
 * @typedef {{value: string | null, count: number, uniqueUsers?: number | null}} Part
 */
import { fill, h } from "./dom.js";
import { count, short } from "./time.js";

/**
 * @param {string} title @param {string} none what stands for hits without a value
 * @param {(value: string) => void} [choose] what a press on a value does
 */
export function breakdownList(title, none, choose) {
  const list = h("ol", { class: "bars" });
  const hint = h("p", { class: "hint" });
  const element = h("section", { class: "card", "aria-label": title }, h("header", {}, h("h2", {}, title), h("span", { class: "dim" }, "Hits")), list, hint);
  return {
    element,
    /** @param {Part[]} parts @param {string} [told] @param {string} [why] there is nothing */
    show(parts, told = "", why = "Nothing in this range.") {
      const most = Math.max(1, ...parts.map((part) => part.count));
      fill(list, parts.map((part) => row(part, most, none, choose)));
      hint.textContent = parts.length === 0 ? why : told;
      hint.hidden = hint.textContent === "";
    },
  };
}

/** @param {Part} part @param {number} most @param {string} none @param {(value: string) => void} [choose] */
function row({ value, count: number, uniqueUsers }, most, none, choose) {
  const bar = h("span", { class: "bar-fill", "aria-hidden": "true" });
  bar.style.width = `${(100 * number) / most}%`;
  const name = value ?? none;
  const shown = choose && value !== null
    ? h("button", { type: "button", class: "link", onclick: () => choose(value) }, name)
    : h("span", { class: value === null ? "dim" : "" }, name);
  const users = uniqueUsers == null ? null : h("span", { class: "dim users" }, `${short(uniqueUsers)} users`);
  return h("li", {}, bar, h("span", { class: "bar-name", title: name }, shown), users, h("span", { class: "bar-count", title: count(number) }, short(number)));
}
