// @ts-check
/** The page *Keys*: apps are registered; their keys issued, shown once, and revoked. */
import { messageOf, withQuery } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { confirmed, copy, openPanel, toast, toastError } from "./panel.js";
import { day } from "./time.js";
import { failedHere, nothingHere } from "./placeholder.js";

const SCOPES = [
  ["publish", "POST /events"],
  ["subscribe", "open sockets, make room tokens"],
  ["collect", "send hits to analytics"],
  ["read", "read log, rooms and analytics"],
];

/** @typedef {{id: string, prefix: string, lastFour: string, scopes: string[], name: string,
 *   createdAt: string, expiresAt: string | null, lastUsedAt: string | null,
 *   revokedAt: string | null}} Key */

export const title = "Keys";

/** @param {import("./app.js").View} view */
export function mount(view) {
  const apps = h("div", { class: "scrolls" });
  const show = async () => {
    const owned = await view.reloadApps();
    if (view.signal.aborted) return;
    fill(apps, owned.map((app) => appSection(view, app)), owned.length === 0 ? nothingHere("No app yet", "An app owns keys, rooms, events and analytics. Press ", h("strong", {}, "Register an app"), ".") : null);
  };
  const register = h("button", { type: "button", class: "primary", onclick: () => openRegistration(view, show) }, "Register an app");
  view.root.append(
    h("div", { class: "bar" }, h("div", { class: "bar-title" }, h("h1", {}, "Keys")), h("div", { class: "bar-tools" }, register)),
    apps,
  );
  show().catch((error) => view.signal.aborted || fill(apps, failedHere("Your apps could not be asked for", error, view.again)));
}

/**
 * An app with its keys. Those of the app that is looked at are shown at once, of others when they are
 * asked for: who has many apps would reach the limit of these calls by opening the page.
 *
 * @param {import("./app.js").View} view @param {import("./api.js").App} app
 */
function appSection(view, app) {
  const keys = h("div", { class: "keys" });
  const load = async () => {
    const told = await view.session.get(withQuery("/auth/api-key", { appName: app.appName }), view.signal);
    const good = told.keys.filter(isGood);
    const over = told.keys.filter((/** @type {Key} */ key) => !isGood(key));
    fill(keys,
      good.length === 0 ? h("p", { class: "dim" }, "No good key.") : keyTable(`Keys of ${app.appName}`, good, (key) => revoke(view, key, load)),
      over.length === 0 ? null : h("details", {}, h("summary", {}, `${over.length} revoked or expired`), keyTable(`Former keys of ${app.appName}`, over)),
    );
  };
  const wanted = () => void load().catch(toastError);
  const issue = h("button", { type: "button", "aria-label": `Issue a key for ${app.appName}`, onclick: () => openIssuing(view, app, load) }, "Issue a key");
  if (view.app?.id === app.id) wanted();
  else fill(keys, h("button", { type: "button", class: "small", "aria-label": `Show keys of ${app.appName}`, onclick: wanted }, "Show keys"));
  return h("section", { class: "card app", "aria-label": `App ${app.appName}` },
    h("header", {}, h("h2", {}, app.appName), h("span", { class: "dim" }, app.appUrl), issue),
    keys,
  );
}

/** @param {Key} key */
function isGood(key) {
  return key.revokedAt === null && (key.expiresAt === null || Date.parse(key.expiresAt) > Date.now());
}

/** @param {string} label @param {Key[]} keys @param {(key: Key) => void} [revoked] */
function keyTable(label, keys, revoked) {
  const heads = ["Key", "Name", "Scopes", "Issued", "Last used", revoked ? "Expires" : "Over since", ...(revoked ? ["Action"] : [])];
  const rows = keys.map((key) => {
    const cells = [
      key.name || "–",
      key.scopes.map((scope) => h("span", { class: "chip" }, scope)),
      day(key.createdAt),
      day(key.lastUsedAt),
      day(revoked ? key.expiresAt : (key.revokedAt ?? key.expiresAt)),
      ...(revoked ? [h("button", { type: "button", class: "small danger", "aria-label": `Revoke the key that ends in ${key.lastFour}`, onclick: () => revoked(key) }, "Revoke")] : []),
    ];
    return h("tr", { role: "row" },
      h("th", { scope: "row", role: "rowheader", class: "mono" }, `${key.prefix}…${key.lastFour}`),
      cells.map((cell, place) => h("td", { role: "cell", "data-head": heads[place + 1] }, cell)),
    );
  });
  // The roles are said, as a phone shows each row as a card of its own: it is a table still.
  return h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": label },
    h("table", { role: "table" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))),
      h("tbody", { role: "rowgroup" }, rows),
    ),
  );
}

/** @param {import("./app.js").View} view @param {() => Promise<void>} changed */
function openRegistration(view, changed) {
  const name = h("input", { name: "appName", required: true, maxlength: 100, autocomplete: "off" });
  const url = h("input", { name: "appUrl", type: "url", required: true, placeholder: "https://example.com", autocomplete: "off" });
  const form = formOf([h("label", {}, "Name", name), h("label", {}, "Address of its site", url)], "Register");
  const { dialog } = openPanel("Register an app", form);
  whenSent(form, async (typed) => {
    await view.session.post("/auth/register", { appName: typed.get("appName"), appUrl: typed.get("appUrl") });
    dialog.close();
    toast(`${typed.get("appName")} is registered.`);
    await changed();
  });
}

/**
 * @param {import("./app.js").View} view @param {import("./api.js").App} app
 * @param {() => Promise<void>} changed
 */
function openIssuing(view, app, changed) {
  const scopes = SCOPES.map(([scope, what]) =>
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "scopes", value: scope, checked: scope === "publish" }), h("span", {}, scope, h("small", {}, what))),
  );
  const form = formOf([
    h("label", {}, "Name, for yourself", h("input", { name: "name", maxlength: 100, autocomplete: "off", placeholder: "shop backend" })),
    h("fieldset", {}, h("legend", {}, "It may"), scopes),
    h("label", {}, "Good for", h("select", { name: "days" },
      h("option", { value: "" }, "as long as it is not revoked"),
      [1, 30, 90, 365].map((days) => h("option", { value: days }, days === 1 ? "a day" : `${days} days`)))),
  ], "Issue");
  const panel = openPanel(`A key for ${app.appName}`, form);
  whenSent(form, async (typed) => {
    if (!typed.has("scopes")) throw new Error("Tick at least one thing that the key may do.");
    const days = typed.get("days");
    const wanted = { appName: app.appName, scopes: typed.getAll("scopes"), ...(typed.get("name") && { name: typed.get("name") }), ...(days && { expiresInDays: Number(days) }) };
    const { apiKey } = await view.session.post("/auth/api-key", wanted);
    panel.hold("The key was not copied, and it cannot be shown again.");
    panel.refill(...issued(apiKey, () => panel.hold(""), () => panel.dialog.close()));
    await changed();
  });
}

/** @param {string} token @param {() => void} copied @param {() => void} close */
function issued(token, copied, close) {
  const take = () => copy(token, "Key").then((isCopied) => isCopied && copied());
  const field = /** @type {HTMLInputElement} */ (h("input", { class: "mono", readonly: true, value: token, "aria-label": "The new key", id: "new-key", onfocus: () => field.select() }));
  return [
    h("p", { class: "notice" }, "Copy it now: it is shown this once, and Herald does not keep it."),
    h("div", { class: "actions" }, field, h("button", { type: "button", class: "primary", onclick: () => void take() }, icon("copy"), "Copy")),
    h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": "How it is used" }, `curl ${location.origin}/events \\\n  -H "Authorization: Bearer $KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"event": "order.created", "data": {"orderId": "cfa3f520"}}'`),
    h("div", { class: "actions" }, h("button", { type: "button", onclick: close }, "Done")),
  ];
}

/** @param {import("./app.js").View} view @param {Key} key @param {() => Promise<void>} changed */
async function revoke(view, key, changed) {
  const consequence = "Calls with it are refused on every host within two seconds. That cannot be undone.";
  if (!(await confirmed(`Revoke the key that ends in ${key.lastFour}?`, consequence, "Revoke"))) return;
  try {
    await view.session.post("/auth/revoke", { id: key.id });
    toast("The key is revoked.");
    await changed();
  } catch (error) {
    toastError(error);
  }
}

/** @param {Node[]} fields @param {string} action */
function formOf(fields, action) {
  const problem = h("p", { class: "bad-text problem", role: "alert" });
  return /** @type {HTMLFormElement} */ (
    h("form", { class: "stack" }, fields, problem, h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, action)))
  );
}

/** @param {HTMLFormElement} form @param {(typed: FormData) => Promise<void>} send */
function whenSent(form, send) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (form.querySelector("button[type=submit]"));
    button.disabled = true;
    try {
      await send(new FormData(form));
    } catch (error) {
      const problem = form.querySelector(".problem");
      if (problem) problem.textContent = messageOf(error);
    }
    button.disabled = false;
  });
}
