// @ts-check
/** The page *Log*: what was published, searched, page after page. */
import { find, h, icon, say } from "./dom.js";
import { messageOf, withQuery } from "./api.js";
import { openEvent } from "./event-panel.js";
import { step } from "./router.js";
import { count, localMinute, moment } from "./time.js";
import { nothingHere } from "./placeholder.js";
import { VirtualList } from "./virtual-list.js";

const COLUMNS = [
  { label: "Time", name: "moment" },
  { label: "Event", name: "name" },
  { label: "Rooms", name: "rooms" },
  { label: "Data", name: "data" },
];
const PAGE = 100;
const MOST_EVENTS = 10_000;
/** That are kept here; who wants more narrows the search. */
const TIMES = new Set(["since", "until"]);
const FIELDS = ["q", "event", "room", ...TIMES];

/** @typedef {{id: string, event: string, rooms: string[], data: unknown, at: string}} Logged */

export const title = "Log";

/** @param {import("./app.js").View} view */
export function mount({ root, calls, query, signal }) {
  const search = new Search(calls, signal);
  const form = makeForm(query);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = read(form);
    step("log", wanted);
    search.begin(wanted);
  });
  root.append(
    h("div", { class: "bar" }, h("div", { class: "bar-title" }, h("h1", {}, "Log")), form, search.told, search.again),
    search.body,
  );
  search.begin(read(form));
  return () => search.list.close();
}

class Search {
  /** @param {import("./api.js").AppCalls} calls @param {AbortSignal} signal */
  constructor(calls, signal) {
    this.#calls = calls;
    this.#signal = signal;
    this.told = h("p", { class: "numbers", role: "status", id: "log-count" });
    this.again = h("button", { type: "button", hidden: true, onclick: () => void this.#ask(this.#number) }, "Try again");
    this.list = new VirtualList({
      label: "Logged events, the newest first",
      columns: COLUMNS,
      show: (index, cells) => writeEvent(this.#found[index], cells),
      open: (index) => void openEvent(calls, this.#found[index]),
      nearEnd: () => void this.#more(),
    });
    this.#nothing = nothingHere("");
    this.body = h("div", { class: "fills" }, this.list.element, this.#nothing);
  }

  #calls; #signal; #nothing;
  /** @type {Logged[]} */
  #found = [];
  /** @type {Record<string, string>} */
  #query = {};
  /** @type {string | null} */
  #next = null;
  #number = 0;
  #isAsking = false;

  /** @param {Record<string, string>} query */
  begin(query) {
    this.#query = query;
    this.#found = [];
    this.#next = null;
    this.#number += 1;
    this.#isAsking = false;
    this.again.hidden = true;
    this.list.resize(0);
    this.list.toTop();
    void this.#ask(this.#number);
  }

  async #more() {
    const isOver = this.#next === null || this.#found.length >= MOST_EVENTS;
    const hasFailed = !this.again.hidden; // and is asked for again by the button alone
    if (!isOver && !hasFailed && !this.#isAsking) await this.#ask(this.#number);
  }

  /** @param {number} number of the search: the answer of one that is over is dropped */
  async #ask(number) {
    this.#isAsking = true;
    this.again.hidden = true;
    this.#tell("Searching…", this.#found.length === 0 ? "Searching…" : "");
    try {
      const path = withQuery("/events", { ...this.#query, limit: PAGE, cursor: this.#next });
      const page = await this.#calls.get(path, this.#signal);
      if (number === this.#number) this.#take(page);
    } catch (error) {
      if (number === this.#number && !this.#signal.aborted) this.#fail(error);
    }
  }

  /** @param {{events: Logged[], next: string | null}} page */
  #take({ events, next }) {
    this.#isAsking = false;
    this.#found.push(...events);
    this.#next = next;
    const further = this.#found.length >= MOST_EVENTS ? "; narrow the search for older ones" : ", and more further down";
    this.#tell(`${count(this.#found.length)} found${next === null ? "" : further}`, this.#found.length > 0 ? "" : "No event was found");
    this.list.resize(this.#found.length);
    // A page may be empty, or too short to scroll in, before the end.
    if (next !== null && events.length === 0) void this.#more();
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#isAsking = false;
    this.again.hidden = false;
    this.#tell("The search failed", this.#found.length === 0 ? messageOf(error) : "");
  }

  /** @param {string} told @param {string} nothing why there is no row; empty where there are */
  #tell(told, nothing) {
    say(this.told, told);
    this.#nothing.hidden = nothing === "";
    say(find(".nothing-title", this.#nothing), nothing);
  }
}

/** @param {URLSearchParams} query */
function makeForm(query) {
  const input = (/** @type {string} */ name, /** @type {Record<string, string | boolean>} */ more) =>
    h("input", { name, value: shown(name, query.get(name) ?? ""), autocomplete: "off", spellcheck: "false", ...more });
  return /** @type {HTMLFormElement} */ (
    h("form", { class: "bar-tools", role: "search" },
      h("span", { class: "search" }, icon("search"), input("q", { type: "search", placeholder: "Words: names, ids, texts", "aria-label": "Words", "data-filter": true })),
      input("event", { placeholder: "Event", "aria-label": "Event name" }),
      input("room", { placeholder: "Room", "aria-label": "Room" }),
      h("label", { class: "inline" }, "From", input("since", { type: "datetime-local" })),
      h("label", { class: "inline" }, "To", input("until", { type: "datetime-local" })),
      h("button", { type: "submit", class: "primary" }, "Search"),
    )
  );
}

/** What is asked for: times are typed in the browser's zone, and named in UTC.
 *
 * @param {HTMLFormElement} form @returns {Record<string, string>}
 */
function read(form) {
  const typed = new FormData(form);
  const wanted = FIELDS.map((name) => {
    const value = `${typed.get(name) ?? ""}`.trim();
    return [name, value && TIMES.has(name) ? new Date(value).toISOString() : value];
  });
  return Object.fromEntries(wanted);
}

/** What stands in a field for what is asked for.
 *
 * @param {string} name @param {string} value
 */
function shown(name, value) {
  if (!TIMES.has(name)) return value;
  return Number.isNaN(Date.parse(value)) ? "" : localMinute(value);
}

/** @param {Logged} event @param {HTMLElement[]} cells */
function writeEvent(event, [time, name, rooms, data]) {
  say(time, moment(event.at));
  say(name, event.event);
  say(rooms, event.rooms.length === 0 ? "everybody" : event.rooms.join(", "));
  say(data, JSON.stringify(event.data).slice(0, 300));
}
