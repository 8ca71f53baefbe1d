// @ts-check
/** JSON as people read it: indented, keys and kinds of value told apart. */
import { h } from "./dom.js";

const MOST_CHARACTERS = 200_000;
/** Of what is coloured; a longer one is shown in one piece. */

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;

/** @param {unknown} value @param {string} label */
export function jsonView(value, label) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const view = h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": label });
  if (text.length > MOST_CHARACTERS) view.append(text);
  else view.append(...pieces(text));
  return view;
}

/** @param {string} text */
function* pieces(text) {
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    yield text.slice(end, match.index);
    const [whole, quoted, colon] = match;
    const kind = colon ? "json-key" : quoted ? "json-text" : "json-value";
    yield h("span", { class: kind }, colon ? quoted : whole);
    if (colon) yield colon;
    end = match.index + whole.length;
  }
  yield text.slice(end);
}
