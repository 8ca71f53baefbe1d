// @ts-check
/** What opens beside a page: a dialog at the edge, a question, a word at the foot. */
import { messageOf } from "./api.js";
import { fill, find, h, icon } from "./dom.js";

const TOAST_MS = 6_000;

/**
 * Open a dialog at the right; Escape, the cross and a press outside of it close it, after a question
 * where `hold` has told why that would be a loss.
 *
 * @param {string} title @param {...(Node | string)} content
 */
export function openPanel(title, ...content) {
  const cross = h("button", { type: "button", class: "icon-button", "aria-label": "Close" }, icon("close"));
  const heading = h("h2", { id: "panel-title" }, title);
  const body = h("div", { class: "panel-body" }, ...content);
  const dialog = /** @type {HTMLDialogElement} */ (
    h("dialog", { class: "panel", "aria-labelledby": "panel-title" }, h("header", {}, heading, cross), body)
  );
  let loss = "";
  const close = async () => {
    if (!loss || (await confirmed("Close this?", loss, "Close"))) dialog.close();
  };
  cross.addEventListener("click", () => void close());
  dialog.addEventListener("click", (event) => event.target === dialog && void close());
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    void close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  /** @param {...(Node | string)} more */
  const refill = (...more) => fill(body, ...more);
  const hold = (/** @type {string} */ why) => void (loss = why);
  return { dialog, refill, hold };
}

/** Close what is open beside a page that is left. */
export function closeAll() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

/**
 * Ask before something that cannot be undone; resolves to whether it is wanted.
 *
 * @param {string} question @param {string} consequence @param {string} action what the button says
 * @returns {Promise<boolean>}
 */
export function confirmed(question, consequence, action) {
  const no = h("button", { type: "submit", value: "no" }, "Cancel");
  const yes = h("button", { type: "submit", value: "yes", class: "danger" }, action);
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      "dialog",
      { class: "question", role: "alertdialog", "aria-labelledby": "question", "aria-describedby": "consequence" },
      h("form", { method: "dialog" },
        h("h2", { id: "question" }, question),
        h("p", { id: "consequence" }, consequence),
        h("div", { class: "actions" }, no, yes),
      ),
    )
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    }),
  );
}

/** Say something at the foot of the page for some seconds.
 *
 * @param {string} text @param {"good" | "bad"} [kind]
 */
export function toast(text, kind = "good") {
  const note = h("p", { class: `toast ${kind}` }, text);
  find("#said").append(note);
  setTimeout(() => note.remove(), TOAST_MS);
}

/** Say why something failed.
 *
 * @param {unknown} error
 */
export function toastError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  toast(messageOf(error), "bad");
}

/** Copy a text, and say so; resolves to whether it could be.
 *
 * @param {string} text @param {string} what
 */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied.`);
    return true;
  } catch {
    toast(`The browser does not let this page copy: select the ${what.toLowerCase()} and copy it.`, "bad");
    return false;
  }
}
