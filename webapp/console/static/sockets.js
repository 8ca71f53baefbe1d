// @ts-check
/** The page *Sockets*: who is connected now, by room, on all hosts. */
import { messageOf, withQuery } from "./api.js";
import { fill, h, say } from "./dom.js";
import { confirmed, copy, toast, toastError } from "./panel.js";
import { step } from "./router.js";
import { ago, count, moment, plural } from "./time.js";
import { nothingHere } from "./placeholder.js";
import { VirtualList } from "./virtual-list.js";

const PAGE = 500;
const MOST_ROOMS = 200;
const MOST_SOCKETS = 10_000;
const AGAIN_MS = 5_000;
/** From the end of one look to the next: hosts may take longer than that to answer. */
const TYPED_MS = 250;
/** From the last letter to the look. */
const COLUMNS = [
  { label: "Socket", name: "sid" },
  { label: "Rooms", name: "rooms" },
  { label: "Subject", name: "subject" },
  { label: "Since", name: "since" },
  { label: "Host", name: "host" },
  { label: "Action", name: "action" },
];

/** @typedef {{sid: string, rooms?: string[], subject?: string | null, host?: string,
 *   since?: string, connectedAt?: string}} Connected */

export const title = "Sockets";

/** @param {import("./app.js").View} view */
export function mount({ root, calls, query, signal }) {
  const page = new SocketsPage(calls, signal, query.get("room") ?? "");
  root.append(page.bar, page.body);
  void page.look();
  return () => page.close();
}

class SocketsPage {
  /** @param {import("./api.js").AppCalls} calls @param {AbortSignal} signal @param {string} room */
  constructor(calls, signal, room) {
    this.#calls = calls;
    this.#signal = signal;
    this.#room = room;
    this.#told = h("p", { class: "numbers", role: "status", id: "socket-count" });
    this.#rooms = h("ul", { class: "room-list" });
    this.#heading = h("h2", { id: "sockets-of" });
    this.#prefix = /** @type {HTMLInputElement} */ (
      h("input", { type: "search", placeholder: "Rooms that begin with…", "aria-label": "Rooms that begin with", "data-filter": true, autocomplete: "off", oninput: () => this.#typed() })
    );
    this.bar = h("div", { class: "bar" }, h("div", { class: "bar-title" }, h("h1", {}, "Sockets")), this.#told);
    this.list = new VirtualList({
      label: "Connected sockets",
      columns: COLUMNS,
      show: (index, cells) => this.#write(this.#sockets[index], cells),
      open: (index) => void copy(this.#sockets[index].sid, "Id"),
    });
    this.#nothing = nothingHere("Nobody is connected", "A client of this app is here as soon as it is.");
    this.#nothing.hidden = true; // until it is known
    this.body = h("div", { class: "split" },
      h("section", { class: "side", "aria-label": "Rooms" }, this.#prefix, this.#rooms),
      h("section", { class: "split-main", "aria-labelledby": "sockets-of" }, this.#heading, h("div", { class: "fills" }, this.list.element, this.#nothing)),
    );
  }

  #calls; #signal; #room; #told; #rooms; #heading; #prefix; #nothing;
  /** @type {Connected[]} */
  #sockets = [];
  #looks = 0;
  #again = 0;

  close() {
    clearTimeout(this.#again);
    this.list.close();
  }

  /** @param {number} ms */
  #lookIn(ms) {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => (document.hidden ? this.#lookIn(AGAIN_MS) : void this.look()), ms);
  }

  #typed() {
    this.#looks += 1; // what is being asked is no longer what is wanted
    this.#lookIn(TYPED_MS);
  }

  /** Ask who is there. An answer that a later one has overtaken is dropped. */
  async look() {
    clearTimeout(this.#again);
    const look = ++this.#looks;
    try {
      const asked = withQuery("/rooms", { prefix: this.#prefix.value, limit: MOST_ROOMS });
      const [rooms, sockets] = await Promise.all([this.#calls.get(asked, this.#signal), this.#all()]);
      if (look === this.#looks && !this.#signal.aborted) this.#show(rooms, sockets);
    } catch (error) {
      if (look === this.#looks && !this.#signal.aborted) this.#fail(error);
    }
    if (look === this.#looks && !this.#signal.aborted) this.#lookIn(AGAIN_MS);
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#told.classList.add("bad-text");
    const isKnown = this.#heading.textContent !== "";
    say(this.#told, `${isKnown ? "Not up to date" : "Not known"}: ${messageOf(error)}`);
  }

  /** @returns {Promise<{sockets: Connected[], isWhole: boolean}>} */
  async #all() {
    const path = this.#room ? `/rooms/${encodeURIComponent(this.#room)}/sockets` : "/sockets";
    const sockets = [];
    let after = null;
    do {
      const page = await this.#calls.get(withQuery(path, { limit: PAGE, after }), this.#signal);
      sockets.push(...page.sockets);
      after = page.next;
    } while (after !== null && sockets.length < MOST_SOCKETS);
    return { sockets, isWhole: after === null };
  }

  /**
   * @param {{sockets: number, rooms: {room: string, sockets: number}[], next: string | null, unreached?: string[]}} told
   * @param {{sockets: Connected[], isWhole: boolean}} found
   */
  #show(told, { sockets, isWhole }) {
    this.#sockets = sockets;
    this.#told.classList.remove("bad-text");
    const unreached = told.unreached ? ` · without ${plural(told.unreached.length, "host")} that did not answer` : "";
    say(this.#told, `${plural(told.sockets, "socket")} connected${unreached}`);
    say(this.#heading, (this.#room ? `In ${this.#room}` : "All sockets") + (isWhole ? "" : `: the first ${count(MOST_SOCKETS)}`));
    this.#showRooms(told);
    this.#nothing.hidden = sockets.length > 0;
    const focused = document.activeElement?.closest(".action")?.getAttribute("data-sid");
    this.list.resize(sockets.length);
    if (focused) this.#focus(focused);
  }

  /** Stay with a socket whose row is another one now.
   *
   * @param {string} sid
   */
  #focus(sid) {
    const button = [...this.list.element.querySelectorAll(".action")].find((each) => each instanceof HTMLElement && each.dataset.sid === sid)?.querySelector("button");
    (button ?? this.list.element).focus();
  }

  /** @param {{sockets: number, rooms: {room: string, sockets: number}[], next: string | null}} told */
  #showRooms({ sockets, rooms, next }) {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.room : undefined;
    const more = next === null ? null : h("li", { class: "dim more" }, "More rooms: type how they begin.");
    const all = this.#prefix.value ? null : this.#roomButton("", "All sockets", sockets);
    fill(this.#rooms, all, rooms.map((row) => this.#roomButton(row.room, row.room, row.sockets)), more);
    // It is another element than before, and whoever was on it stays there.
    for (const button of this.#rooms.querySelectorAll("button")) if (button.dataset.room === focused) button.focus();
  }

  /** @param {string} room @param {string} name @param {number} sockets */
  #roomButton(room, name, sockets) {
    const isChosen = room === this.#room;
    return h("li", {},
      h("button", { type: "button", "data-room": room, "aria-current": isChosen ? "true" : null, onclick: () => this.#choose(room) },
        h("span", { class: "room-name" }, name),
        h("span", { class: "room-count" }, count(sockets)),
      ),
    );
  }

  /** @param {string} room */
  #choose(room) {
    this.#room = room;
    this.#heading.textContent = "";
    this.#nothing.hidden = true;
    step("sockets", { room });
    this.list.toTop();
    void this.look();
  }

  /** @param {Connected} socket @param {HTMLElement[]} cells */
  #write(socket, [sid, rooms, subject, since, host, action]) {
    const at = socket.connectedAt ?? socket.since;
    say(sid, socket.sid);
    say(rooms, socket.rooms?.join(", ") ?? this.#room);
    say(subject, socket.subject ?? "–");
    say(since, at ? ago(at) : "–");
    since.title = at ? moment(at) : "";
    say(host, socket.host ?? "");
    if (action.dataset.sid === socket.sid) return;
    action.dataset.sid = socket.sid;
    fill(action, h("button", { type: "button", class: "small danger", "aria-label": `Disconnect ${socket.sid}`, onclick: () => void this.#disconnect(socket.sid) }, "Disconnect"));
  }

  /** @param {string} sid */
  async #disconnect(sid) {
    const question = "Disconnect this socket?";
    const consequence = `${sid} is told to go and does not come back by itself. Its user may connect again.`;
    if (!(await confirmed(question, consequence, "Disconnect"))) return;
    try {
      await this.#calls.delete(`/sockets/${encodeURIComponent(sid)}`);
      toast("The socket was disconnected.");
    } catch (error) {
      toastError(error);
    }
    await this.look();
  }
}
