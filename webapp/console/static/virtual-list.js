// @ts-check
/**
 * A grid of any number of rows, of which only those in sight are elements: ten thousand rows cost
 * what thirty cost. Rows have one height, `--row` in the style sheet.
 *
 * Keyboard: the grid has the focus, arrows move through its rows, Enter opens one.
 *
 * @typedef {{label: string, name: string}} Column  the name is the class of its cells
 * @typedef {(index: number, cells: HTMLElement[], row: HTMLElement) => void} Show
 */
import { h } from "./dom.js";

const SPARE_ROWS = 6;

let lists = 0;

export class VirtualList {
  /**
   * @param {object} options
   * @param {string} options.label of the grid, for who hears the page
   * @param {Column[]} options.columns
   * @param {(index: number) => string} [options.key] tells rows apart: what stands in one that is in
   *   sight already is not written again
   * @param {Show} options.show writes row `index` into its cells, which another row had before
   * @param {(index: number) => void} [options.open]
   * @param {() => void} [options.nearEnd] called when the last rows come in sight
   */
  constructor({ label, columns, key, show, open, nearEnd }) {
    this.#columns = columns;
    this.#keyOf = key;
    this.#show = show;
    this.#open = open;
    this.#nearEnd = nearEnd;
    this.#id = `list-${++lists}`;
    this.#canvas = h("div", { class: "list-canvas", role: "rowgroup" });
    this.#head = this.#columnHeads();
    this.element = h(
      "div",
      { class: "list", role: "grid", "aria-label": label, tabindex: "0", "aria-rowcount": 1 },
      this.#head,
      this.#canvas,
    );
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.#sizes = new ResizeObserver(() => this.#measure());
    this.#sizes.observe(this.element);
  }

  #columns; #keyOf; #show; #open; #nearEnd; #id; #canvas; #head; #sizes;
  /** @type {HTMLElement[]} */
  #rows = [];
  #count = 0;
  #selected = -1;
  #height = 0;
  #rowHeight = 34;
  #asked = false;

  /** Whether its first row is in sight. */
  get atTop() {
    return this.element.scrollTop < this.#rowHeight / 2;
  }

  /** Scroll to the first row. */
  toTop() {
    this.element.scrollTop = 0;
  }

  /**
   * Say how many rows there are now, and how many of them have come in front of those that were
   * there: who has scrolled away keeps looking at the same ones.
   *
   * @param {number} count @param {number} [inFront]
   */
  resize(count, inFront = 0) {
    const stay = inFront > 0 && !this.atTop;
    if (this.#keyOf && !stay && inFront < this.#rows.length) this.#moveToFront(inFront);
    this.#count = count;
    if (this.#selected >= 0) this.#selected = Math.min(this.#selected + inFront, count - 1);
    this.#canvas.style.height = `${count * this.#rowHeight}px`;
    this.element.setAttribute("aria-rowcount", String(count + 1));
    if (stay) this.element.scrollTop += inFront * this.#rowHeight;
    this.#asked = false;
    this.draw();
  }

  /** Write the rows that are in sight. */
  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.#rowHeight) - SPARE_ROWS);
    const shown = Math.ceil(this.#height / this.#rowHeight) + 2 * SPARE_ROWS;
    const last = Math.min(this.#count, first + shown);
    while (this.#rows.length < last - first) this.#rows.push(this.#row());
    for (const [place, row] of this.#rows.entries()) this.#place(row, first + place, last);
    if (last >= this.#count - SPARE_ROWS && !this.#asked && this.#count > 0) {
      this.#asked = true;
      this.#nearEnd?.();
    }
  }

  /** Take the last elements for the rows that have come in front: the others keep what they have.
   *
   * @param {number} number
   */
  #moveToFront(number) {
    const moved = this.#rows.splice(this.#rows.length - number);
    this.#rows.unshift(...moved);
    this.#canvas.prepend(...moved);
  }

  close() {
    this.#sizes.disconnect();
  }

  #columnHeads() {
    const cells = this.#columns.map(({ label, name }) =>
      h("div", { role: "columnheader", class: `cell ${name}` }, label),
    );
    const row = h("div", { role: "row", class: "row", "aria-rowindex": 1 }, cells);
    return h("div", { class: "list-head", role: "rowgroup" }, row);
  }

  #row() {
    const cells = this.#columns.map(({ name }) => h("div", { role: "gridcell", class: `cell ${name}` }));
    const row = h("div", { role: "row", class: "row", id: `${this.#id}-${this.#rows.length}` }, cells);
    row.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest("button, a")) return;
      this.#select(Number(row.dataset.index));
      this.#open?.(this.#selected);
    });
    this.#canvas.append(row);
    return row;
  }

  /** @param {HTMLElement} row @param {number} index @param {number} last */
  #place(row, index, last) {
    row.hidden = index >= last;
    if (row.hidden) return;
    row.dataset.index = String(index);
    row.setAttribute("aria-rowindex", String(index + 2));
    row.setAttribute("aria-selected", String(index === this.#selected));
    row.style.transform = `translateY(${index * this.#rowHeight}px)`;
    const key = this.#keyOf?.(index);
    if (key === undefined || row.dataset.key !== key) {
      this.#show(index, /** @type {HTMLElement[]} */ ([...row.children]), row);
      if (key !== undefined) row.dataset.key = key;
    }
    if (index === this.#selected) this.element.setAttribute("aria-activedescendant", row.id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.element || this.#count === 0) return;
    const page = Math.max(1, Math.floor(this.#height / this.#rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.#count, End: this.#count };
    if (event.key === "Enter" && this.#selected >= 0) this.#open?.(this.#selected);
    else if (event.key in steps) this.#select(this.#selected + steps[/** @type {keyof typeof steps} */ (event.key)]);
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  #select(index) {
    this.#selected = Math.max(0, Math.min(this.#count - 1, index));
    const top = this.#selected * this.#rowHeight;
    const { scrollTop } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.#rowHeight > scrollTop + this.#height) {
      this.element.scrollTop = top + this.#rowHeight - this.#height;
    }
    this.draw();
  }

  #measure() {
    const height = this.element.clientHeight - this.#head.offsetHeight;
    const row = parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 34;
    if (height === this.#height && row === this.#rowHeight) return;
    this.#height = height;
    this.#rowHeight = row;
    this.resize(this.#count);
  }
}
