// @ts-check
/** Times and numbers as people read them, in the zone and the language of the browser. */

export const DAY_MS = 86_400_000;

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const whole = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const date = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const grouped = new Intl.NumberFormat();
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

/**
 * The time of day with its milliseconds: 14:05:09.123.
 *
 * @param {string} iso
 */
export function timeOfDay(iso) {
  const at = new Date(iso);
  return `${clockTime(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** The time of day to the second.
 *
 * @param {Date} at
 */
export function clockTime(at) {
  return clock.format(at);
}

/** @param {string} iso */
export function moment(iso) {
  return whole.format(new Date(iso));
}

/** @param {string | null} iso @param {string} none what to say where there is no time */
export function day(iso, none = "never") {
  return iso === null ? none : date.format(new Date(iso));
}

/**
 * How long ago that was: 12 s, 5 min, 3 h, 9 d.
 *
 * @param {string} iso
 */
export function ago(iso) {
  return duration((Date.now() - Date.parse(iso)) / 1000);
}

/** @param {number} seconds */
export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129_600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** @param {number} value */
export function count(value) {
  return grouped.format(value);
}

/** A size as people read it: 512 B, 1.5 KiB, 64 MiB.
 *
 * @param {number} value in bytes
 */
export function bytes(value) {
  if (value < 1024) return `${count(value)} B`;
  return value < 1_048_576 ? `${tenths.format(value / 1024)} KiB` : `${tenths.format(value / 1_048_576)} MiB`;
}

/** @param {number} value */
export function short(value) {
  return compact.format(value);
}

/** One word for one, another for many: `plural(2, "room")` is "2 rooms".
 *
 * @param {number} number @param {string} word
 */
export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** YYYY-MM-DD of this day, as clocks of `zone` show it; of UTC's where the browser has no such zone.
 *
 * @param {string} zone its name in the tz database
 */
export function today(zone) {
  let date;
  try {
    date = new Intl.DateTimeFormat("en", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });
  } catch {
    return new Date().toISOString().slice(0, 10);
  }
  const parts = Object.fromEntries(date.formatToParts().map(({ type, value }) => [type, value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
}

/** YYYY-MM-DD so many days before another.
 *
 * @param {string} date @param {number} days
 */
export function daysBefore(date, days) {
  return new Date(Date.parse(date) - days * DAY_MS).toISOString().slice(0, 10);
}

/** YYYY-MM-DDTHH:MM of a moment in the browser's zone, as fields for a time have it.
 *
 * @param {string} iso
 */
export function localMinute(iso) {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
