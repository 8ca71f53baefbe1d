// @ts-check
/** The page *Live*: events as they come. */
import { find, h, icon, say } from "./dom.js";
import { openEvent } from "./event-panel.js";
import { EventRing, listen, Waiting } from "./live-events.js";
import { openPublishForm } from "./publish-form.js";
import { note } from "./router.js";
import { count, plural, timeOfDay } from "./time.js";
import { nothingHere } from "./placeholder.js";
import { VirtualList } from "./virtual-list.js";

const COLUMNS = [
  { label: "Time", name: "time" },
  { label: "Event", name: "name" },
  { label: "Rooms", name: "rooms" },
  { label: "Data", name: "data" },
  { label: "Recipients", name: "number" },
];
const STATES = { connecting: "Connecting…", live: "Live", lost: "Not connected" };
const MOST_SHOWN_CHARACTERS = 300;
/** Of an event's data in its row. */
const LEAST_MS = 50;
/** From one look at the list to the next: nobody reads faster. */
const MOST_AT_ONCE = 500;
/** Events that one frame takes in: after a pause they are many. */
const MOST_HELD_MS = 1_000;
/** That rows stand still under a pointer that is down. */

export const title = "Live";

/** @param {import("./app.js").View} view */
export function mount({ root, calls, query }) {
  const page = new LivePage(calls);
  root.append(page.bar, page.body);
  const search = /** @type {HTMLInputElement} */ (find("#live-filter", page.bar));
  search.value = query.get("filter") ?? "";
  page.filter(search.value);
  search.addEventListener("input", () => {
    note("live", { filter: search.value });
    page.filter(search.value);
  });
  const stop = listen(calls, (event) => page.take(event), (state, why) => page.tell(state, why));
  return () => {
    stop();
    page.close();
  };
}

class LivePage {
  /** @param {import("./api.js").AppCalls} calls */
  constructor(calls) {
    this.#calls = calls;
    this.#state = h("span", { class: "state", role: "status" });
    this.#numbers = h("p", { class: "numbers", id: "live-count" });
    this.#pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.#toggle() }, "Pause");
    this.#newer = h("button", { type: "button", class: "newer", hidden: true, onclick: () => this.#list.toTop() }, "Newest events");
    this.bar = this.#makeBar();
    this.#list = new VirtualList({
      label: "Live events, the newest first",
      columns: COLUMNS,
      key: (index) => this.#ring.at(index).id,
      show: (index, cells) => writeEvent(this.#ring.at(index), cells),
      open: (index) => void openEvent(calls, this.#ring.at(index)),
    });
    this.#list.element.addEventListener("pointerdown", () => this.#hold());
    this.#list.element.addEventListener("scroll", () => this.#showNewer(), { passive: true });
    this.#nothing = nothingHere("Waiting for events", "What is published for this app is here at once. Press ", h("strong", {}, "Publish"), " to try it.");
    this.body = h("div", { class: "fills" }, this.#list.element, this.#nothing, this.#newer);
    // Screen readers are told now and then: not of each event.
    this.#telling = setInterval(() => this.#tellNumbers(), 1_000);
    this.#tellNumbers();
  }

  #calls; #state; #numbers; #pause; #newer; #list; #nothing; #telling;
  #ring = new EventRing();
  #pending = new Waiting();
  #release = new AbortController();
  #heldFor = 0;
  #isPaused = false;
  #frame = 0;
  #shownAt = 0;

  /** Take an event; it is shown with one of the next frames, together with all that have come by then.
   *
   * @param {import("./live-events.js").LiveEvent} event
   */
  take(event) {
    this.#pending.push(event);
    this.#await();
  }

  /** Keep the rows where they are until the pointer is up: a click is of the row it began on. */
  #hold() {
    this.#letGo();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#release = new AbortController();
    const { signal } = this.#release;
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => this.#letGo(), { signal });
    this.#heldFor = setTimeout(() => this.#letGo(), MOST_HELD_MS);
  }

  #letGo() {
    this.#release.abort();
    clearTimeout(this.#heldFor);
    this.#heldFor = 0;
    this.#await();
  }

  /** @param {keyof typeof STATES} state @param {string} [why] */
  tell(state, why) {
    say(this.#state, STATES[state]);
    this.#state.dataset.state = state;
    this.#state.title = why ?? "";
  }

  /** @param {string} text */
  filter(text) {
    this.#ring.filter(text);
    this.#list.resize(this.#ring.size);
    this.#list.toTop();
    this.#showNothing();
  }

  close() {
    clearInterval(this.#telling);
    this.#letGo();
    cancelAnimationFrame(this.#frame);
    this.#list.close();
  }

  #makeBar() {
    const filter = h("input", { id: "live-filter", type: "search", placeholder: "Filter: name, room, data", "aria-label": "Filter events", "data-filter": true, autocomplete: "off", spellcheck: "false" });
    return h("div", { class: "bar" },
      h("div", { class: "bar-title" }, h("h1", {}, "Live"), this.#state),
      h("div", { class: "bar-tools" },
        h("span", { class: "search" }, icon("search"), filter),
        this.#pause,
        h("button", { type: "button", onclick: () => this.#clear() }, "Clear"),
        h("button", { type: "button", class: "primary", onclick: () => openPublishForm(this.#calls) }, "Publish"),
      ),
      this.#numbers,
    );
  }

  /** Show what waits with one of the next frames, if anything may be shown. */
  #await() {
    const mayShow = !this.#isPaused && this.#heldFor === 0 && this.#pending.size > 0;
    if (!mayShow || this.#frame !== 0) return;
    this.#frame = requestAnimationFrame((now) => {
      this.#frame = 0;
      if (now - this.#shownAt < LEAST_MS) this.#await();
      else if (!this.#isPaused) this.#show();
    });
  }

  #show() {
    this.#shownAt = performance.now();
    let found = 0;
    for (const { event, text } of this.#pending.take(MOST_AT_ONCE)) found += this.#ring.push(event, text) ? 1 : 0;
    if (found > 0) this.#list.resize(this.#ring.size, found);
    this.#showNothing();
    this.#showNewer();
    this.#await();
  }

  #showNothing() {
    this.#nothing.hidden = this.#ring.size > 0;
    find(".nothing-title", this.#nothing).textContent = this.#ring.came > 0 ? "No event here matches" : "Waiting for events";
  }

  #showNewer() {
    this.#newer.hidden = this.#list.atTop || this.#ring.size === 0;
  }

  #tellNumbers() {
    const waiting = this.#isPaused ? ` · paused, ${count(this.#pending.size)} wait` : "";
    const missed = this.#ring.leftOut + this.#pending.leftOut;
    const leftOut = missed > 0 ? ` · ${count(missed)} left out, as more came than are shown` : "";
    say(this.#numbers, `${plural(this.#ring.came, "event")} since this page was opened · ${count(this.#ring.size)} here${leftOut}${waiting}`);
  }

  #toggle() {
    this.#isPaused = !this.#isPaused;
    this.#pause.setAttribute("aria-pressed", String(this.#isPaused));
    say(this.#pause, this.#isPaused ? "Resume" : "Pause");
    this.#await();
    this.#tellNumbers();
  }

  #clear() {
    this.#ring.clear();
    this.#list.resize(0);
    this.#showNothing();
    this.#tellNumbers();
  }
}

/** @param {import("./live-events.js").LiveEvent} event @param {HTMLElement[]} cells */
function writeEvent(event, [time, name, rooms, data, recipients]) {
  say(time, timeOfDay(event.at));
  say(name, event.event);
  say(rooms, event.rooms.length === 0 ? "everybody" : event.rooms.join(", "));
  say(data, event.data === null ? "…" : JSON.stringify(event.data).slice(0, MOST_SHOWN_CHARACTERS));
  say(recipients, count(event.recipients));
}
