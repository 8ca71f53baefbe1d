// @ts-check
/** The page *Health*: the state of each part, whatever parts this Herald has. */
import { call, messageOf } from "./api.js";
import { fill, h, say } from "./dom.js";
import { jsonView } from "./json-view.js";
import { bytes, clockTime, count } from "./time.js";
import { nothingHere } from "./placeholder.js";

const AGAIN_MS = 3_000;
const GOOD = new Set(["ok", "ready", "live", "up", "connected", "none", "embedded"]);
const ACRONYMS = new Set(["http", "sql"]);
/** Keys of `/health/ready` that are no part: what they say stands at the top. */
const HEAD = new Set(["status", "ready", "parts", "error"]);

/**
 * @typedef {{[key: string]: Told}} ToldRecord
 * @typedef {string | number | boolean | null | Array<unknown> | {[key: string]: any}} Told
 */

export const title = "Health";

/** @param {import("./app.js").View} view */
export function mount({ root, signal }) {
  const state = h("span", { class: "state", role: "status", id: "ready" });
  const told = h("p", { class: "numbers" });
  const parts = h("div", { class: "parts" });
  root.append(
    h("div", { class: "bar" }, h("div", { class: "bar-title" }, h("h1", {}, "Health"), state), told),
    // Nothing in it takes the focus, and a keyboard is to scroll it too.
    h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Parts" }, parts),
  );
  let seenAt = "";
  const look = async () => {
    try {
      const { status, body } = await call("/health/ready", { signal });
      show(status, body);
    } catch (error) {
      if (signal.aborted) return;
      state.dataset.state = "lost";
      say(state, "Not reached");
      say(told, messageOf(error) + (seenAt && ` What stands below was told at ${seenAt}.`));
    }
  };
  /** @param {number} status @param {ToldRecord} body */
  const show = (status, body) => {
    seenAt = clockTime(new Date());
    const isReady = status === 200;
    state.dataset.state = isReady ? "live" : "lost";
    say(state, isReady ? "Ready" : "Not ready");
    say(told, isReady ? "This host takes work. Looked at every three seconds." : "Load balancers send this host nothing: see the parts that are not ok.");
    fill(parts, ...cards(body));
    if (parts.childElementCount === 0) fill(parts, nothingHere("Nothing is told"));
  };
  void look();
  const again = setInterval(() => document.hidden || void look(), AGAIN_MS);
  return () => clearInterval(again);
}

/** @param {ToldRecord} body */
function* cards(body) {
  const checked = body.parts && typeof body.parts === "object" ? Object.entries(body.parts) : [];
  const beside = new Map(Object.entries(body).filter(([name]) => !HEAD.has(name)));
  for (const [name, state] of checked) {
    yield card(name, state, beside.get(name));
    beside.delete(name);
  }
  for (const [name, told] of beside) yield card(name, null, told);
}

/** @param {string} name @param {Told} state @param {Told} [told] */
function card(name, state, told) {
  const own = isRecord(told) && typeof told.state === "string" ? told.state : null;
  const shown = typeof state === "string" ? state : own;
  const badge = shown === null ? null : stateBadge(shown);
  const why = shown !== null && shown.length > 24 ? h("p", { class: "bad-text" }, shown) : null;
  return h("section", { class: "card part", "aria-label": words(name) },
    h("header", {}, h("h2", {}, words(name)), badge),
    why,
    told === undefined ? null : facts(told),
  );
}

/** @param {string} state */
function stateBadge(state) {
  // A logger that tells nothing of itself is neither.
  const kind = state === "unknown" ? "" : GOOD.has(state) ? "good" : "bad";
  return h("span", { class: `badge ${kind}` }, state.length > 24 ? "not ok" : state);
}

/** @param {Told} told */
function facts(told) {
  if (!isRecord(told)) return h("p", {}, value(told));
  const rows = Object.entries(told).flatMap(([name, each]) => (name === "state" && typeof each === "string" ? [] : fact(name, each)));
  return rows.length === 0 ? null : h("dl", { class: "facts" }, rows);
}

/** A name and what it is; a part of a part, as each logger is one of `loggers`, has a state too.
 *
 * @param {string} name @param {Told} told
 */
function fact(name, told) {
  if (!isRecord(told)) return [h("dt", {}, words(name)), h("dd", {}, isBytes(name) && typeof told === "number" ? bytes(told) : value(told))];
  const badge = typeof told.state === "string" ? stateBadge(told.state) : null;
  return [h("dt", { class: "part-of-it" }, words(name), badge), h("dd", { class: "part-of-it" }, facts(told) ?? "–")];
}

/** @param {Exclude<Told, ToldRecord>} told @returns {Node | string} */
function value(told) {
  if (told === null) return "–";
  if (typeof told === "number") return count(told);
  if (typeof told === "boolean") return told ? "yes" : "no";
  if (Array.isArray(told)) return told.every((each) => typeof each !== "object") ? told.join(", ") || "–" : jsonView(told, "Details");
  return String(told);
}

/** @param {string} name */
function isBytes(name) {
  return name === "bytes" || name.endsWith("Bytes") || name.endsWith("_bytes");
}

/** @param {Told | undefined} told @returns {told is ToldRecord} */
function isRecord(told) {
  return typeof told === "object" && told !== null && !Array.isArray(told);
}

/** `lateAnswers` as people write it: late answers.
 *
 * @param {string} name
 */
function words(name) {
  if (ACRONYMS.has(name)) return name.toUpperCase();
  const spaced = name.replace(/([a-z\d])([A-Z])/g, (_, end, begin) => `${end} ${begin.toLowerCase()}`).replaceAll("_", " ");
  return spaced.slice(0, 1).toUpperCase() + spaced.slice(1);
}
