// @ts-check
/**
 * Pages by the address behind the `#`: `#/log?event=order.created` is the page `log` with a query,
 * so that what is looked at can be sent to somebody else.
 *
 * @typedef {{page: string, query: URLSearchParams}} Place
 */

/** @returns {Place} */
export function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { page: path, query: new URLSearchParams(query ?? "") };
}

/** @param {string} page @param {Record<string, string>} [query] what is empty is left out */
export function address(page, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "");
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
