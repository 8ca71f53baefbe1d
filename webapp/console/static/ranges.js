// @ts-check
/**
 * Ranges of days, and the range before that is compared with.
 *
 * @typedef {{startDate: string, endDate: string}} Range  both days are in it
 */
import { h } from "./dom.js";
import { DAY_MS, daysBefore, today } from "./time.js";

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
 * @param {URLSearchParams} query @param {string} zone of the app: its days are counted by it
 * @returns {Range}
 */
export function rangeOf(query, zone) {
  const [startDate, endDate] = [query.get("from"), query.get("to")];
  if (startDate && endDate && startDate <= endDate) return { startDate, endDate };
  const named = query.get("range") ?? "";
  const { days } = RANGES[Object.hasOwn(RANGES, named) ? named : DEFAULT_RANGE];
  const last = today(zone);
  return { startDate: daysBefore(last, days - 1), endDate: last };
}

/** @param {Range} range */
export function daysIn({ startDate, endDate }) {
  return Math.round((Date.parse(endDate) - Date.parse(startDate)) / DAY_MS) + 1;
}

/** As many days, just before.
 *
 * @param {Range} range @returns {Range}
 */
export function before(range) {
  const days = daysIn(range);
  return { startDate: daysBefore(range.startDate, days), endDate: daysBefore(range.endDate, days) };
}

/** Buttons and two days to choose a range by.
 *
 * @param {URLSearchParams} query @param {Range} range that it names
 * @param {(chosen: Record<string, string>) => void} choose
 */
export function rangePicker(query, range, choose) {
  const own = Boolean(query.get("from") && query.get("to"));
  const current = own ? "" : (query.get("range") ?? DEFAULT_RANGE);
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
