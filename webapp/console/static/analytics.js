// @ts-check
/** The page *Analytics*: how much came, from whom and with what, beside the range before. */
import { withQuery } from "./api.js";
import { breakdownList } from "./breakdown-list.js";
import { Chart } from "./chart.js";
import { fill, h, say } from "./dom.js";
import { failedHere } from "./placeholder.js";
import { before, daysIn, rangeOf, rangePicker } from "./ranges.js";
import { go } from "./router.js";
import { count, plural, short, today } from "./time.js";

const TOP = 10;
const MOST_DAYS_BY_HOUR = 2;
const BREAKDOWNS = /** @type {const} */ ([
  ["page", "Pages", "No page"],
  ["referrer", "Referrers", "Direct"],
  ["browser", "Browsers", "Unknown"],
  ["os", "Systems", "Unknown"],
  ["device", "Devices", "Unknown"],
]);

/**
 * @typedef {{at: string, count: number, uniqueUsers?: number | null}} Point
 * @typedef {{count: number, uniqueUsers: number, excludedBots: number}} Overview
 */

export const title = "Analytics";

/** @param {import("./app.js").View} view */
export function mount(view) {
  const page = new AnalyticsPage(view);
  view.root.append(page.bar, page.body);
  page.show().catch((error) => view.signal.aborted || page.fail(error, view.again));
  return () => page.chart.close();
}

class AnalyticsPage {
  /** @param {import("./app.js").View} view */
  constructor({ calls, query, signal }) {
    this.#calls = calls;
    this.#signal = signal;
    this.#query = query;
    this.#range = rangeOf(query, calls.app.timeZone);
    this.#event = query.get("event") ?? "";
    this.chart = new Chart();
    this.#told = h("p", { class: "numbers", role: "status", id: "analytics-told" }, "Counting…");
    this.#tiles = h("dl", { class: "tiles" });
    this.#table = h("details", { class: "as-table" }, h("summary", {}, "As a table"));
    this.#events = breakdownList("Top events", "", (event) => this.#go({ event }));
    this.#lists = BREAKDOWNS.map(([by, heading, none]) => ({ by, list: breakdownList(heading, none) }));
    this.bar = this.#makeBar();
    this.body = h("div", { class: "scrolls" },
      this.#tiles,
      h("section", { class: "card", "aria-label": "Hits over time" }, this.chart.element, this.#table),
      h("div", { class: "cards" }, this.#events.element, this.#lists.map(({ list }) => list.element)),
    );
  }

  #calls; #signal; #query; #range; #event; #told; #tiles; #table; #events; #lists;

  /** Ask everything at once, and show each answer when it is there. */
  async show() {
    await Promise.all([this.#showOverview(), this.#showSeries(), this.#showEvents(), ...this.#lists.map((each) => this.#showBreakdown(each))]);
  }

  /** @param {unknown} error @param {() => void} again */
  fail(error, again) {
    say(this.#told, "");
    fill(this.body, failedHere("The hits could not be counted", error, again));
  }

  #makeBar() {
    const only = this.#event
      ? h("button", { type: "button", class: "chip removable", "aria-label": `Show all events, not only ${this.#event}`, onclick: () => this.#go({ event: "" }) }, this.#event, " ×")
      : null;
    const file = withQuery("/analytics/export", { app_id: this.#calls.app.id, event: this.#event, ...this.#range });
    return h("div", { class: "bar" },
      h("div", { class: "bar-title" }, h("h1", {}, "Analytics"), only),
      h("div", { class: "bar-tools" }, rangePicker(this.#query, this.#range, (chosen) => this.#go(chosen)), h("a", { class: "button", href: file, download: "hits.csv" }, "Export")),
      this.#told,
    );
  }

  /** @param {Record<string, string>} changed */
  #go(changed) {
    go("analytics", { ...Object.fromEntries(this.#query), ...changed });
  }

  /** @param {string} path @param {import("./ranges.js").Range} range @param {Record<string, string | number>} [more] */
  #ask(path, range, more = {}) {
    return this.#calls.get(withQuery(`/analytics/${path}`, { ...range, event: this.#event, ...more }), this.#signal);
  }

  async #showOverview() {
    /** @type {[Overview, Overview]} */
    const [now, then] = /** @type {any} */ (await Promise.all([this.#ask("overview", this.#range), this.#ask("overview", before(this.#range))]));
    const perUser = (/** @type {Overview} */ { count: hits, uniqueUsers }) => (uniqueUsers > 0 ? hits / uniqueUsers : 0);
    fill(this.#tiles,
      tile("Hits", now.count, then.count),
      tile("Unique users", now.uniqueUsers, then.uniqueUsers),
      tile("Hits a day", now.count / daysIn(this.#range), then.count / daysIn(this.#range)),
      tile("Hits a user", perUser(now), perUser(then)),
    );
    const bots = now.excludedBots > 0 ? ` · ${plural(now.excludedBots, "hit")} of bots not counted` : "";
    const isGoingOn = this.#range.endDate >= today(this.#calls.app.timeZone);
    const compared = `beside the ${plural(daysIn(this.#range), "day")} before${isGoingOn ? " (today is not over)" : ""}`;
    say(this.#told, `${plural(now.count, "hit")} of ${plural(now.uniqueUsers, "user")}, ${compared}${bots}`);
  }

  async #showSeries() {
    const byHour = daysIn(this.#range) <= MOST_DAYS_BY_HOUR;
    const interval = byHour ? "hour" : "day";
    const [now, then] = await Promise.all([this.#ask("timeseries", this.#range, { interval }), this.#ask("timeseries", before(this.#range), { interval })]);
    /** @type {[Point[], Point[]]} */
    const [points, former] = [now.series[0].points, then.series[0].points];
    const users = points.map((point) => point.uniqueUsers ?? null);
    const drawing = {
      times: points.map((point) => seconds(point.at)),
      byHour,
      series: [
        { label: "Hits", values: points.map((point) => point.count), colour: "accent", kind: /** @type {const} */ ("area") },
        ...(byHour ? [] : [{ label: "Unique users", values: users, colour: "second", kind: /** @type {const} */ ("line") }]),
        { label: "Hits before", values: points.map((_, place) => former[place]?.count ?? null), colour: "dim", kind: /** @type {const} */ ("dashed") },
      ],
    };
    fill(this.#table, h("summary", {}, `As a table (${now.timeZone ?? "each app's own time zone"})`), seriesTable(points, former, byHour));
    await this.chart.show(drawing, `Hits by ${interval}: ${points.map((point) => point.count).join(", ").slice(0, 400)}`);
  }

  async #showEvents() {
    const { events } = await this.#calls.get(withQuery("/analytics/top-events", { ...this.#range, limit: TOP }), this.#signal);
    this.#events.show(events.map((/** @type {any} */ each) => ({ ...each, value: each.event })));
  }

  /** @param {{by: string, list: ReturnType<typeof breakdownList>}} each */
  async #showBreakdown({ by, list }) {
    const told = await this.#ask("breakdown", this.#range, { by, limit: TOP });
    const counted = told.isComplete ? "" : `Of the newest ${count(told.counted)} hits of the range.`;
    list.show(told.values, counted);
  }
}

/** A number, and how it stands to that of the range before.
 *
 * @param {string} name @param {number} now @param {number} then
 */
function tile(name, now, then) {
  const shown = now >= 100 || Number.isInteger(now) ? short(Math.round(now)) : now.toFixed(1);
  return h("div", { class: "tile" }, h("dt", {}, name), h("dd", { title: count(now) }, shown), h("dd", { class: "change" }, change(now, then)));
}

/** @param {number} now @param {number} then */
function change(now, then) {
  if (then === 0) return h("span", { class: "dim" }, now === 0 ? "as before" : "none before");
  const percent = Math.round((100 * (now - then)) / then);
  if (percent === 0) return h("span", { class: "dim" }, "as before");
  return h("span", { class: percent > 0 ? "up" : "down" }, `${percent > 0 ? "▲ +" : "▼ −"}${count(Math.abs(percent))} %`);
}

/** @param {Point[]} points @param {Point[]} former @param {boolean} byHour */
function seriesTable(points, former, byHour) {
  const heads = [byHour ? "Hour" : "Day", "Hits", ...(byHour ? [] : ["Unique users"]), "Hits before"];
  const rows = points.map((point, place) =>
    h("tr", {}, h("th", { scope: "row" }, point.at.replace("T", " ")), h("td", {}, count(point.count)), byHour ? null : h("td", {}, count(point.uniqueUsers ?? 0)), h("td", {}, count(former[place]?.count ?? 0))),
  );
  return h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Hits over time, as a table" },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows)),
  );
}

/** A day or an hour as clocks of the app show it, in s since 1970 as if they showed UTC.
 *
 * @param {string} at
 */
function seconds(at) {
  return Date.parse(at.includes("T") ? `${at}Z` : at) / 1000;
}
