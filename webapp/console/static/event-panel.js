// @ts-check
/** One event, opened: what it said, to which rooms, and which sockets got it. */
import { CallFailed } from "./api.js";
import { h } from "./dom.js";
import { jsonView } from "./json-view.js";
import { copy, openPanel } from "./panel.js";
import { count, moment, plural, timeOfDay } from "./time.js";

const MOST_DELIVERIES = 500;
/** That are listed at once. */

/**
 * @typedef {{id: string, event: string, rooms: string[], data: unknown, at: string,
 *   recipients?: number}} Known
 */

/**
 * Open an event with what is known of it, and ask the log for its deliveries.
 *
 * @param {import("./api.js").AppCalls} calls @param {Known} known
 */
export async function openEvent(calls, known) {
  const deliveries = h("section", {}, h("h3", {}, "Deliveries"), h("p", { class: "dim" }, "Looking them up…"));
  const { dialog, refill } = openPanel(known.event, ...about(known), deliveries);
  try {
    const whole = await calls.get(`/events/${known.id}`);
    if (dialog.open) refill(...about({ ...whole, recipients: whole.recipients }), delivered(whole.deliveries));
  } catch (error) {
    deliveries.lastElementChild?.replaceWith(h("p", { class: "dim" }, why(error)));
  }
}

/** @param {unknown} error */
function why(error) {
  if (error instanceof CallFailed && error.status === 404) return "The log does not have this event yet.";
  return error instanceof Error ? error.message : "They could not be looked up.";
}

/** @param {Known} event */
function about(event) {
  const id = h("button", { type: "button", class: "copy mono", onclick: () => void copy(event.id, "Id") }, event.id);
  return [
    h("dl", { class: "facts" },
      h("dt", {}, "Id"), h("dd", {}, id),
      h("dt", {}, "At"), h("dd", {}, `${moment(event.at)} (${timeOfDay(event.at)})`),
      h("dt", {}, "Rooms"), h("dd", {}, rooms(event.rooms)),
      h("dt", {}, "Recipients"), h("dd", {}, event.recipients === undefined ? "–" : count(event.recipients)),
    ),
    h("h3", {}, "Data"),
    event.data === null
      ? h("p", { class: "dim" }, "Longer than is shown live: it comes from the log.")
      : jsonView(event.data, "Data of the event"),
  ];
}

/** Chips with the rooms of an event.
 *
 * @param {string[]} names
 */
export function rooms(names) {
  if (names.length === 0) return [h("span", { class: "chip all" }, "everybody")];
  return names.map((name) => h("span", { class: "chip" }, name));
}

/** @param {{sid: string}[]} deliveries */
function delivered(deliveries) {
  const section = h("section", {}, h("h3", {}, "Deliveries"));
  const more = deliveries.length - MOST_DELIVERIES;
  section.append(
    deliveries.length === 0
      ? h("p", { class: "dim" }, "No socket was there to get it.")
      : h("ul", { class: "sids mono" }, deliveries.slice(0, MOST_DELIVERIES).map(({ sid }) => h("li", {}, sid))),
  );
  if (more > 0) section.append(h("p", { class: "dim" }, `… and ${plural(more, "socket")} more`));
  return section;
}
