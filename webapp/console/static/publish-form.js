// @ts-check
/** A form that publishes an event, and shows what Herald answered. */
import { h } from "./dom.js";
import { jsonView } from "./json-view.js";
import { openPanel } from "./panel.js";

const EXAMPLE = '{\n  "orderId": "cfa3f520",\n  "amount": 100\n}';
/** What was typed last, for when the form is opened again. */
let last = { event: "order.created", rooms: "", data: EXAMPLE };

/** @param {import("./api.js").AppCalls} calls */
export function openPublishForm(calls) {
  const event = h("input", { name: "event", required: true, value: last.event, maxlength: 200, autocomplete: "off", spellcheck: "false" });
  const rooms = h("input", { name: "rooms", value: last.rooms, autocomplete: "off", spellcheck: "false", placeholder: "everybody", "aria-describedby": "rooms-hint" });
  const data = h("textarea", { name: "data", rows: 9, spellcheck: "false", class: "mono" }, last.data);
  const answer = h("div", { class: "answer", role: "status", "aria-live": "polite" });
  const button = /** @type {HTMLButtonElement} */ (h("button", { type: "submit", class: "primary" }, "Publish"));
  const form = /** @type {HTMLFormElement} */ (
    h("form", { class: "stack" },
      h("label", {}, "Event", event),
      h("label", {}, "Rooms", rooms),
      h("p", { class: "hint", id: "rooms-hint" }, "Separated by commas. None: every socket of the app."),
      h("label", {}, "Data, a JSON object", data),
      h("div", { class: "actions" }, button),
      answer,
    )
  );
  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const typed = new FormData(form);
    last = { event: `${typed.get("event")}`, rooms: `${typed.get("rooms")}`, data: `${typed.get("data")}` };
    button.disabled = true;
    answer.replaceChildren(...(await publish(calls, last)));
    button.disabled = false;
  });
  openPanel("Publish an event", form);
  event.focus();
}

/** @param {string} typed */
function roomsIn(typed) {
  return typed.split(",").map((room) => room.trim());
}

/** What is not sent, and why; empty where nothing is wrong.
 *
 * @param {typeof last} typed
 */
function mistake({ rooms, data }) {
  if (rooms.trim() !== "" && roomsIn(rooms).includes("")) {
    return "A comma has no room beside it. Name the room, or leave the field empty to reach everybody.";
  }
  try {
    JSON.parse(data.trim() || "{}");
  } catch (error) {
    return `The data is not JSON: ${error instanceof Error ? error.message : error}.`;
  }
  return "";
}

/** @param {import("./api.js").AppCalls} calls @param {typeof last} typed */
async function publish(calls, typed) {
  const wrong = mistake(typed);
  if (wrong) return [h("p", { class: "bad-text" }, wrong)];
  const named = typed.rooms.trim() === "" ? [] : roomsIn(typed.rooms);
  const rooms = named.length === 0 ? "" : `,"rooms":${JSON.stringify(named)}`;
  // The data goes as it was typed: what JavaScript would make of it is not what Herald is to judge.
  const body = `{"event":${JSON.stringify(typed.event)}${rooms},"data":${typed.data.trim() || "{}"}}`;
  try {
    const { status, body: told, ms } = await calls.answer("/events", { method: "POST", body });
    const kind = status < 300 ? "good" : "bad";
    return [
      h("p", {}, h("span", { class: `badge ${kind}` }, String(status)), ` in ${Math.round(ms)} ms`),
      jsonView(told, "The answer"),
    ];
  } catch (error) {
    return [h("p", { class: "bad-text" }, error instanceof Error ? error.message : String(error))];
  }
}
