// @ts-check
/** A series over time, drawn by uPlot in the colours of the style sheet. */
import { h } from "./dom.js";
import { colour, THEME_CHANGED } from "./theme.js";
import { count, short } from "./time.js";

const FOLDER = new URL("./vendor/uplot-1.6.32/", import.meta.url);
const HEIGHT = 260;

// Times are those of the app's clocks, told as if they were UTC's: the browser's are not asked.
const ZONE = "UTC";
const TIME = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: ZONE });
const DATE = /** @type {const} */ ({ month: "short", day: "numeric", timeZone: ZONE });
const BY_HOUR = { axis: new Intl.DateTimeFormat(undefined, TIME), legend: new Intl.DateTimeFormat(undefined, { ...DATE, ...TIME }) };
const BY_DAY = { axis: new Intl.DateTimeFormat(undefined, DATE), legend: new Intl.DateTimeFormat(undefined, { ...DATE, year: "numeric" }) };

/**
 * @typedef {{label: string, values: (number | null)[], colour: string, kind: "area" | "line" | "dashed"}} Series
 * @typedef {{times: number[], series: Series[], byHour: boolean}} Drawing  times in s since 1970, as if the
 *   app's clocks showed UTC
 */

/** @type {Promise<any> | null} */
let library = null;

/** Load the library with the first chart: the first view of the console does without it. */
function uPlot() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href: `${FOLDER}uPlot.min.css` }));
    const script = h("script", { src: `${FOLDER}uPlot.iife.min.js` });
    // @ts-ignore: what the script defines
    script.addEventListener("load", () => resolve(window.uPlot));
    script.addEventListener("error", () => reject(new Error("The chart could not be loaded.")));
    document.head.append(script);
  });
  return library;
}

/** One chart, which is drawn anew where its data, its width or the theme change. */
export class Chart {
  constructor() {
    this.element = h("div", { class: "chart", role: "img" });
    this.#sizes = new ResizeObserver(() => this.#fit());
    this.#sizes.observe(this.element);
    this.#redraw = () => void this.#draw();
    addEventListener(THEME_CHANGED, this.#redraw);
  }

  #sizes;
  #redraw;
  /** @type {any} */
  #plot = null;
  /** @type {Drawing | null} */
  #drawing = null;

  /** @param {Drawing} drawing @param {string} summary for who hears the page */
  async show(drawing, summary) {
    this.element.setAttribute("aria-label", summary);
    this.#drawing = drawing;
    await this.#draw();
  }

  close() {
    this.#sizes.disconnect();
    removeEventListener(THEME_CHANGED, this.#redraw);
    this.#plot?.destroy();
  }

  #fit() {
    const width = this.element.clientWidth;
    if (this.#plot && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  async #draw() {
    const Plot = await uPlot();
    const drawing = this.#drawing;
    if (drawing === null || !this.element.isConnected) return;
    this.#plot?.destroy();
    this.#plot = new Plot({ ...options(drawing, this.element.clientWidth), tzDate: (/** @type {number} */ at) => Plot.tzDate(new Date(at * 1000), ZONE) }, [drawing.times, ...drawing.series.map((each) => each.values)], this.element);
  }
}

/** @param {Drawing} drawing @param {number} width */
function options({ series, byHour }, width) {
  const dim = colour("dim");
  const axis = { stroke: dim, font: "12px system-ui", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const named = byHour ? BY_HOUR : BY_DAY;
  return {
    width,
    height: HEIGHT,
    cursor: { points: { size: 7 }, drag: { x: false, y: false } },
    legend: { live: true, markers: { dash: (/** @type {any} */ _plot, /** @type {number} */ place) => (series[place - 1]?.kind === "dashed" ? "dashed" : "solid") } },
    scales: { x: { time: true }, y: { range: (/** @type {any} */ _plot, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(4, high * 1.1)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 80, incrs: steps(byHour), values: (/** @type {any} */ _plot, /** @type {number[]} */ splits) => splits.map((at) => named.axis.format(at * 1000)) },
      { ...axis, size: 56, values: (/** @type {any} */ _plot, /** @type {number[]} */ splits) => splits.map((value) => (Number.isInteger(value) ? short(value) : "")) },
    ],
    series: [
      { label: byHour ? "Hour" : "Day", value: (/** @type {any} */ _plot, /** @type {number | null} */ at) => (at === null ? "–" : named.legend.format(at * 1000)) },
      ...series.map((each) => line(each)),
    ],
  };
}

/** How far apart the marks of the axis may be, in s: whole hours, or whole days.
 *
 * @param {boolean} byHour
 */
function steps(byHour) {
  const unit = byHour ? 3600 : 86_400;
  return [1, 2, 3, 4, 6, 7, 12, 14, 28, 30, 60, 91, 182, 365].map((number) => number * unit);
}

/** @param {Series} series */
function line({ label, colour: name, kind }) {
  const stroke = colour(name);
  return {
    label,
    stroke,
    width: kind === "dashed" ? 1.5 : 2,
    dash: kind === "dashed" ? [5, 5] : undefined,
    fill: kind === "area" ? colour(`${name}-soft`) : undefined,
    points: { show: false },
    value: (/** @type {any} */ _plot, /** @type {number | null} */ value) => (value === null ? "–" : count(value)),
  };
}
