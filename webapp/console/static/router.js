// @ts-check
/**
 * Pages by the address behind the `#`: `#/log?app=shop&event=order.created` is the page `log` of an
 * app with a query, so that what is looked at can be sent to somebody else.
 *
 * @typedef {{page: string, query: URLSearchParams}} Place  without the app
 */

/** The name of the app that is looked at. */
let app = "";

/** @returns {Place} */
export function place() {
  const { page, query } = parts();
  query.delete("app");
  return { page, query };
}

/** The name of the app that the address is of, or null where it names none. */
export function appAsked() {
  return parts().query.get("app");
}

/** Take `name` into each address from now on, and into the one that is shown.
 *
 * @param {string} name
 */
export function nameApp(name) {
  app = name;
  const { page, query } = place();
  note(page, Object.fromEntries(query));
}

function parts() {
  const [page, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { page, query: new URLSearchParams(query ?? "") };
}

/** @param {string} page @param {Record<string, string>} [query] what is empty is left out */
export function address(page, query = {}) {
  const given = Object.entries({ app, ...query }).filter(([, value]) => value !== "");
  const text = new URLSearchParams(given).toString();
  return `#/${page}${text ? `?${text}` : ""}`;
}

/** Go to another page.
 *
 * @param {string} page @param {Record<string, string>} [query]
 */
export function go(page, query) {
  location.hash = address(page, query);
}

/** Say in the address what this page shows, without going anywhere.
 *
 * @param {string} page @param {Record<string, string>} query
 */
export function note(page, query) {
  history.replaceState(null, "", address(page, query));
}

/** As `note`, but Back leads to what was shown before.
 *
 * @param {string} page @param {Record<string, string>} query
 */
export function step(page, query) {
  if (address(page, query) !== location.hash) history.pushState(null, "", address(page, query));
}
