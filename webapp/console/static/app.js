// @ts-check
/**
 * The console: who is signed in, which app is looked at, and one page at a time.
 *
 * @typedef {object} View
 * @property {HTMLElement} root where the page puts what it shows
 * @property {import("./api.js").Session} session
 * @property {import("./api.js").AppCalls} calls calls in the name of the app that is looked at
 * @property {URLSearchParams} query
 * @property {AbortSignal} signal aborted when another page comes
 * @property {import("./api.js").App | undefined} app the one that is looked at, if there is any
 * @property {() => Promise<import("./api.js").App[]>} reloadApps asks which apps there are now
 * @property {() => void} again shows the page anew
 *
 * @typedef {{title: string, mount: (view: View) => void | (() => void)}} Page
 */
import { AppCalls, Session } from "./api.js";
import { fill, find, h, icon, say } from "./dom.js";
import { closeAll, toastError } from "./panel.js";
import { failedHere, nothingHere } from "./placeholder.js";
import { address, appAsked, go, nameApp, place } from "./router.js";
import { startTheme } from "./theme.js";

/** @type {Record<string, {label: string, load: () => Promise<Page>, needsApp: boolean}>} */
const PAGES = {
  live: { label: "Live", load: () => import("./live.js"), needsApp: true },
  log: { label: "Log", load: () => import("./log.js"), needsApp: true },
  sockets: { label: "Sockets", load: () => import("./sockets.js"), needsApp: true },
  analytics: { label: "Analytics", load: () => import("./analytics.js"), needsApp: true },
  keys: { label: "Keys", load: () => import("./keys.js"), needsApp: false },
  health: { label: "Health", load: () => import("./health.js"), needsApp: false },
};
const CHOSEN_APP = "herald.app";

class Console {
  /** @param {Session} session @param {import("./api.js").App[]} apps */
  constructor(session, apps) {
    this.#session = session;
    this.#apps = apps;
    this.#choice = /** @type {HTMLSelectElement} */ (find("#app"));
    this.#root = find("#page");
    this.#choice.addEventListener("change", () => this.#choose(this.#choice.value));
  }

  #session; #apps; #choice; #root;
  /** @type {AppCalls | null} */
  #calls = null;
  #leave = () => {};
  #over = new AbortController();
  #visits = 0;

  start() {
    fill(find("#pages"), Object.entries(PAGES).map(([name, { label }]) =>
      h("li", {}, h("a", { "data-page": name }, icon(name), h("span", {}, label))),
    ));
    this.#showApps();
    // Of two that follow each other at once the first is told when the second is there already.
    addEventListener("hashchange", ({ newURL }) => newURL === location.href && void this.show());
    addEventListener("keydown", (event) => focusFilter(event));
    find("[data-skip]").addEventListener("click", (event) => {
      event.preventDefault(); // the address behind the # is that of a page
      this.#root.focus();
    });
    return this.show();
  }

  /** Show the page that the address names. */
  async show() {
    const { page, query } = place();
    if (!Object.hasOwn(PAGES, page)) return go(this.#apps.length === 0 ? "keys" : "live");
    const asked = appAsked();
    const visit = ++this.#visits;
    const { href } = location;
    this.#end();
    const { load, needsApp, label } = PAGES[page];
    document.title = `${label} · Herald`;
    try {
      const [app, { mount }] = await Promise.all([this.#appOf(asked), load()]);
      // Somebody has gone on: that is shown in its turn.
      if (visit !== this.#visits || location.href !== href) return;
      if (app) this.#lookAt(app);
      markLinks(page);
      fill(this.#root);
      this.#root.dataset.page = page;
      if (needsApp && !app) this.#root.append(asked === null ? noApp() : notYours(asked, page));
      else this.#leave = mount(this.#view(query)) ?? (() => {});
    } catch (error) {
      if (visit === this.#visits) fill(this.#root, failedHere("This page could not be loaded", error, () => void this.show()));
    }
  }

  /** @param {URLSearchParams} query @returns {View} */
  #view(query) {
    const calls = /** @type {AppCalls} */ (this.#calls);
    const { signal } = this.#over;
    return {
      root: this.#root, session: this.#session, calls, app: this.#calls?.app, query, signal,
      reloadApps: () => this.#reloadApps(),
      again: () => void this.show(),
    };
  }

  async #reloadApps() {
    this.#apps = await this.#session.apps();
    this.#showApps();
    return this.#apps;
  }

  #end() {
    this.#leave();
    this.#leave = () => {};
    closeAll();
    this.#over.abort();
    this.#over = new AbortController();
  }

  #showApps() {
    const kept = this.#calls?.app.id ?? localStorage.getItem(CHOSEN_APP);
    const chosen = this.#apps.find((app) => app.id === kept) ?? this.#apps[0];
    fill(this.#choice, this.#apps.map((app) => h("option", { value: app.id, selected: app === chosen }, app.appName)));
    this.#choice.disabled = this.#apps.length === 0;
    if (chosen && chosen.id !== this.#calls?.app.id) this.#calls = new AppCalls(this.#session, chosen);
  }

  /** Go to the same page of another app.
   *
   * @param {string} id
   */
  #choose(id) {
    const app = this.#apps.find((each) => each.id === id);
    const { page, query } = place();
    if (app) go(page, { ...Object.fromEntries(query), app: app.appName });
  }

  /** Find the app that an address names, or else the one that is looked at.
   *
   * @param {string | null} name
   */
  async #appOf(name) {
    if (name === null) return this.#calls?.app;
    const isAsked = (/** @type {import("./api.js").App} */ app) => app.appName === name;
    // It may be a new one.
    return this.#apps.find(isAsked) ?? (await this.#reloadApps()).find(isAsked);
  }

  /** @param {import("./api.js").App} app */
  #lookAt(app) {
    if (app.id !== this.#calls?.app.id) this.#calls = new AppCalls(this.#session, app);
    localStorage.setItem(CHOSEN_APP, app.id);
    this.#choice.value = app.id;
    nameApp(app.appName);
  }
}

/** @param {string} name @param {string} page */
function notYours(name, page) {
  return nothingHere(`You have no app “${name}”`, "The address was made by somebody who has. ", h("a", { href: address(page) }, "Look at one of yours"), ".");
}

function noApp() {
  return nothingHere("You have no app yet", "An app owns keys, rooms, events and analytics. ", h("a", { href: address("keys") }, "Register the first one"), ".");
}

/** Have the links lead to pages of the app that is looked at, and say which page is shown.
 *
 * @param {string} page
 */
function markLinks(page) {
  for (const link of document.querySelectorAll("a[data-page]")) {
    const name = link.getAttribute("data-page") ?? "";
    link.setAttribute("href", address(name));
    if (name === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** `/` goes to the filter of the page, unless it is typed somewhere.
 *
 * @param {KeyboardEvent} event
 */
function focusFilter(event) {
  const isTyped = event.target instanceof Element && event.target.closest("input, textarea, select, dialog");
  if (event.key !== "/" || isTyped || event.ctrlKey || event.metaKey || event.altKey) return;
  const filter = document.querySelector("[data-filter]");
  if (filter instanceof HTMLElement) {
    event.preventDefault();
    filter.focus();
  }
}

/** @param {Session} session */
function showAccount(session) {
  const { name, email } = session.profile.user;
  say(find("#who"), email || name);
  say(find("#initial"), (name || email || "?").slice(0, 1).toUpperCase());
  find("#sign-out").addEventListener("click", async () => {
    try {
      await session.post("/auth/logout", {});
      location.assign("/auth/login");
    } catch (error) {
      toastError(error); // who believes to have left has not
    }
  });
}

async function start() {
  try {
    const session = await Session.open();
    const apps = await session.apps();
    showAccount(session);
    await new Console(session, apps).start();
  } catch (error) {
    fill(find("#page"), failedHere("The console could not begin", error, () => void start()));
  }
}

startTheme(find("#theme"));
void start();
