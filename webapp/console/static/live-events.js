// @ts-check
/**
 * The events of one app as they come: a ring of the last ones, those that a filter lets through in
 * order, and the socket that brings them.
 *
 * @typedef {{id: string, event: string, rooms: string[], data: unknown, recipients: number,
 *   at: string, leftOut: number}} LiveEvent
 */
import { io } from "./vendor/socket.io-client-4.8.4/socket.io.esm.min.js";

export const MOST_EVENTS = 10_000;
const AGAIN_MS = 3_000;
const MOST_CHARACTERS = 16 * 1_048_576;
/** Of the text of all events that are shown; the oldest go first. */
const MOST_WAITING_CHARACTERS = 8 * 1_048_576;
/** Of those that wait to be shown; with the others 24 Mi. */

/** The last events, and of these the ones that are looked for; newest last. */
export class EventRing {
  /** @type {{event: LiveEvent, text: string}[]} */
  #all = [];
  /** @type {LiveEvent[]} */
  #found = [];
  #words = /** @type {string[]} */ ([]);
  #characters = 0;
  #gone = 0;
  #foundGone = 0;
  came = 0;
  leftOut = 0;

  /** How many of those that are looked for there are. */
  get size() {
    return this.#found.length - this.#foundGone;
  }

  /** @param {number} index 0 is the newest */
  at(index) {
    return this.#found[this.#found.length - 1 - index];
  }

  /** Add one; returns whether it is one of those that are looked for.
   *
   * @param {LiveEvent} event @param {string} text as `textOf` gives it
   */
  push(event, text = textOf(event)) {
    this.came += 1;
    this.leftOut += event.leftOut;
    this.#all.push({ event, text });
    this.#characters += text.length;
    const isFound = this.#matches(text);
    if (isFound) this.#found.push(event);
    while (this.#all.length - this.#gone > MOST_EVENTS || this.#characters > MOST_CHARACTERS) this.#drop();
    return isFound;
  }

  /** Look for events that have each of these words somewhere.
   *
   * @param {string} text
   */
  filter(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#compact();
    this.#found = this.#all.filter((each) => this.#matches(each.text)).map((each) => each.event);
  }

  clear() {
    this.#all = [];
    this.#found = [];
    this.#gone = this.#foundGone = this.#characters = 0;
  }

  /** @param {string} text */
  #matches(text) {
    return this.#words.every((word) => text.includes(word));
  }

  #drop() {
    const { event, text } = this.#all[this.#gone++];
    this.#characters -= text.length;
    if (this.#found[this.#foundGone] === event) this.#foundGone += 1;
    // A thousand at a time: to take the first out of an array costs as much as the whole of it.
    if (this.#gone >= 1000) this.#compact();
  }

  #compact() {
    this.#all = this.#all.slice(this.#gone);
    this.#found = this.#found.slice(this.#foundGone);
    this.#gone = this.#foundGone = 0;
  }
}

/** Events that have come and are not shown yet: while the page is paused, or its tab hidden. */
export class Waiting {
  /** @type {{event: LiveEvent, text: string}[]} */
  #all = [];
  #gone = 0;
  #characters = 0;
  /** Those for which there was no room, and what they told was left out before them. */
  leftOut = 0;

  get size() {
    return this.#all.length - this.#gone;
  }

  /** @param {LiveEvent} event */
  push(event) {
    const text = textOf(event);
    this.#all.push({ event, text });
    this.#characters += text.length;
    while (this.size > MOST_EVENTS || this.#characters > MOST_WAITING_CHARACTERS) {
      for (const { event: oldest } of this.take(1)) this.leftOut += 1 + oldest.leftOut;
    }
  }

  /** Take the oldest away, so many at most.
   *
   * @param {number} most
   */
  take(most) {
    const taken = this.#all.slice(this.#gone, this.#gone + most);
    this.#gone += taken.length;
    for (const { text } of taken) this.#characters -= text.length;
    if (this.#gone >= 1000 || this.size === 0) {
      this.#all = this.#all.slice(this.#gone);
      this.#gone = 0;
    }
    return taken;
  }
}

/** What an event is searched by, and counts for.
 *
 * @param {LiveEvent} event
 */
function textOf(event) {
  return `${event.event}\n${event.rooms.join("\n")}\n${JSON.stringify(event.data)}`.toLowerCase();
}

/**
 * Hear the events of an app; returns what ends it.
 *
 * @param {import("./api.js").AppCalls} calls
 * @param {(event: LiveEvent) => void} heard
 * @param {(state: "connecting" | "live" | "lost", why?: string) => void} told
 */
export function listen(calls, heard, told) {
  let isOver = false;
  const socket = io({
    transports: ["websocket"],
    // Asked at each connection, as a key is good for an hour.
    auth: (/** @type {(data: object) => void} */ give) =>
      calls.key().then(
        (token) => give({ token }),
        (error) => told("lost", error.message),
      ),
  });
  socket.on("connect", () =>
    socket.emit("join", { room: "herald:events" }, (/** @type {any} */ answer) =>
      answer.ok ? told("live") : told("lost", answer.error.message),
    ),
  );
  // Who was sent away or refused by Herald is not tried again by itself: its key may have ended.
  const again = () => socket.active || setTimeout(() => isOver || socket.connect(), AGAIN_MS);
  socket.on("disconnect", (/** @type {string} */ why) => {
    told("connecting", why);
    again();
  });
  socket.on("connect_error", (/** @type {any} */ error) => {
    told("lost", error.message);
    if (error.data?.error?.code === "unauthorized") calls.forgetKey();
    again();
  });
  socket.on("herald:event", heard);
  told("connecting");
  return () => {
    isOver = true;
    socket.off();
    // A connection that is given up while it begins is a warning in the browser's console.
    if (socket.connected || !socket.active) return void socket.close();
    socket.io.reconnection(false);
    socket.io.once("open", () => socket.close());
  };
}
