// @ts-check
/**
 * Ranges of days, and the range before that is compared with.
 *
 * @typedef {{startDate: string, endDate: string}} Range  both days are in it
 */
import { h } from "./dom.js";
import { dayBefore } from "./time.js";

const MS = 86_400_000;

/** @type {Record<string, {label: string, days: number}>} */
export const RANGES = {
  "1": { label: "Today", days: 1 },
  "7": { label: "7 days", days: 7 },
  "30": { label: "30 days", days: 30 },
  "90": { label: "90 days", days: 90 },
  "365": { label: "Year", days: 365 },
};
export const DEFAULT_RANGE = "7";

/** The range that a query names: by its last days, or by its first and last one.
 *
 * @param {URLSearchParams} query @returns {Range}
 */
export function rangeOf(query) {
  const [startDate, endDate] = [query.get("from"), query.get("to")];
  if (startDate && endDate && startDate <= endDate) return { startDate, endDate };
  const named = query.get("range") ?? "";
  const { days } = RANGES[Object.hasOwn(RANGES, named) ? named : DEFAULT_RANGE];
  const today = new Date();
  return { startDate: dayBefore(today, days - 1), endDate: dayBefore(today, 0) };
}

/** @param {Range} range */
export function daysIn({ startDate, endDate }) {
  return Math.round((Date.parse(endDate) - Date.parse(startDate)) / MS) + 1;
}

/** As many days, just before.
 *
 * @param {Range} range @returns {Range}
 */
export function before(range) {
  const days = daysIn(range);
  const shifted = (/** @type {string} */ day) => new Date(Date.parse(day) - days * MS).toISOString().slice(0, 10);
  return { startDate: shifted(range.startDate), endDate: shifted(range.endDate) };
}

/** Buttons and two days to choose a range by.
 *
 * @param {URLSearchParams} query @param {(chosen: Record<string, string>) => void} choose
 */
export function rangePicker(query, choose) {
  const own = Boolean(query.get("from") && query.get("to"));
  const current = own ? "" : (query.get("range") ?? DEFAULT_RANGE);
  const range = rangeOf(query);
  const buttons = Object.entries(RANGES).map(([name, { label }]) =>
    h("button", { type: "button", "aria-pressed": String(name === current), onclick: () => choose({ range: name, from: "", to: "" }) }, label),
  );
  const from = /** @type {HTMLInputElement} */ (h("input", { type: "date", value: range.startDate, "aria-label": "First day" }));
  const to = /** @type {HTMLInputElement} */ (h("input", { type: "date", value: range.endDate, "aria-label": "Last day" }));
  for (const input of [from, to]) {
    input.addEventListener("change", () => {
      if (from.value && to.value && from.value <= to.value) choose({ range: "", from: from.value, to: to.value });
    });
  }
  return [
    h("div", { class: "segments", role: "group", "aria-label": "Range" }, buttons),
    h("span", { class: "dates" }, from, h("span", { class: "dim" }, "to"), to),
  ];
}
