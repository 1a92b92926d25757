// One month of the grid: what is known of it, how high it is, and those of its tiles that are near the screen.

import { element } from "./elements.js";
import { layOut } from "./rows.js";
import { monthTime } from "./plan.js";
import { month as monthName } from "./text.js";
import { shape } from "./tile.js";

/** @typedef {import("./shards.js").Entry} Entry */
/** @typedef {import("./plan.js").Part} Part */
/** @typedef {import("./rows.js").Box} Box */
/** @typedef {{ width: number, height: number, gap: number }} Field */

/**
 * A part of a month and what was read of it.
 *
 * @typedef {object} Stretch
 * @property {Part | null} part null for what was read without a plan, and is never given up
 * @property {Entry[] | null} entries null while they are not read
 * @property {Promise<void> | null} reading
 * @property {boolean} failed
 * @property {boolean} counted
 * @property {number} count about how many there are
 * @property {number} top within the month
 * @property {number} height
 */

/** A tile and where it lies in its month. @typedef {{ entry: Entry, box: Box }} Placed */

/** The heading and the space above it, in pixels, as the style sheet has them. */
const HEADING = 38;

/** A part of the view under one heading, a month as a rule. */
export class Month {
  /** @param {string | null} key null for a list that is not ordered by time, and has no heading */
  constructor(key) {
    this.key = key;
    this.name = key ? monthName(monthTime(key)) : null;
    /** @type {Stretch[]} */
    this.stretches = [];
    /** @type {Placed[]} */
    this.placed = [];
    /** @type {Map<Entry, HTMLElement>} */
    this.drawn = new Map();
    this.list = element("ul", { class: "tiles" });
    this.node = element("section", { class: "month", attributes: { "aria-label": this.name } }, this.name && element("h2", { class: "month-name" }, this.name), this.list);
    /** Below the beginning of the grid, the heading left out. */
    this.top = 0;
    this.height = 0;
  }

  /**
   * @param {Part | null} part
   * @param {Entry[] | null} entries
   */
  add(part, entries) {
    this.stretches.push({ part, entries, reading: null, failed: false, counted: false, count: entries?.length ?? part?.count ?? 0, top: 0, height: 0 });
  }

  /** Whether all of it was read and nothing was found. */
  get isEmpty() {
    return this.stretches.every((stretch) => stretch.entries?.length === 0);
  }

  /** About how many entries are not read. */
  get unread() {
    return this.stretches.reduce((sum, { entries, count }) => sum + (entries ? 0 : count), 0);
  }

  /** What the month takes above its tiles. */
  get heading() {
    return this.name ? HEADING : 0;
  }

  /**
   * Lays out what is known, and estimates the rest. Neighbours that are known share their rows.
   *
   * @param {Field} field
   * @param {(count: number) => number} estimate the height of so many entries that were not read
   */
  layOut(field, estimate) {
    this.placed = [];
    let top = 0;
    for (let at = 0; at < this.stretches.length; ) {
      const run = [];
      while (this.stretches[at]?.entries) run.push(this.stretches[at++]);
      if (run.length) top = this.#layOutRun(run, top, field);
      if (at < this.stretches.length) {
        const stretch = this.stretches[at++];
        stretch.top = top;
        stretch.height = estimate(stretch.count);
        top += stretch.height;
      }
    }
    this.height = Math.max(0, top);
    this.node.hidden = this.isEmpty;
    this.node.classList.toggle("unread", this.stretches.some(({ entries }) => !entries));
    this.list.style.height = `${this.height}px`;
    for (const { entry, box } of this.placed) {
      const tile = this.drawn.get(entry);
      if (tile) place(tile, box);
    }
  }

  /**
   * Draws the tiles between two heights of the month and takes the others out of the document,
   * but for the one that has the focus, lest the keys go nowhere.
   *
   * @param {number} from
   * @param {number} to
   * @param {(entry: Entry) => HTMLElement} tile
   */
  draw(from, to, tile) {
    const wanted = this.placed.filter(({ box }) => box.top + box.height >= from && box.top <= to);
    const kept = new Set(wanted.map(({ entry }) => entry));
    for (const [entry, node] of this.drawn) {
      if (kept.has(entry) || node.contains(document.activeElement)) continue;
      node.remove();
      this.drawn.delete(entry);
    }
    const nodes = new Set(wanted.map(({ entry }) => this.drawn.get(entry)));
    let next = this.list.firstElementChild;
    for (const { entry, box } of wanted) {
      while (next && !nodes.has(/** @type {HTMLElement} */ (next))) next = next.nextElementSibling;
      let node = this.drawn.get(entry);
      if (node && node === next) {
        next = next.nextElementSibling;
        continue;
      }
      if (!node) {
        node = tile(entry);
        place(node, box);
        this.drawn.set(entry, node);
      }
      // What keeps the focus may lie anywhere; it stays where it is, moving it would take the focus away.
      if (node.contains(document.activeElement)) continue;
      this.list.insertBefore(node, next);
    }
  }

  /** Takes all tiles out of the document, but for the one that has the focus. */
  clear() {
    if (this.drawn.size) this.draw(Infinity, -Infinity, () => this.list);
  }

  /**
   * Puts newer knowledge about an entry in its place.
   *
   * @param {Entry} old
   * @param {Entry} fresh
   */
  replace(old, fresh) {
    for (const stretch of this.stretches) {
      const at = stretch.entries?.indexOf(old) ?? -1;
      if (stretch.entries && at >= 0) stretch.entries[at] = fresh;
    }
    this.drawn.get(old)?.remove();
    this.drawn.delete(old);
  }

  /**
   * @param {Stretch[]} run
   * @param {number} top
   * @param {Field} field
   * @returns {number} where the next thing begins
   */
  #layOutRun(run, top, field) {
    const entries = run.flatMap((stretch) => stretch.entries ?? []);
    const { boxes, height } = layOut(entries.map(shape), field);
    for (const [at, box] of boxes.entries()) this.placed.push({ entry: entries[at], box: { ...box, top: box.top + top } });
    let at = 0;
    for (const stretch of run) {
      const own = boxes.slice(at, at + (stretch.entries?.length ?? 0));
      stretch.top = top + (own[0]?.top ?? boxes[at - 1]?.top ?? 0);
      const last = own.at(-1);
      stretch.height = last ? top + last.top + last.height - stretch.top : 0;
      at += own.length;
    }
    return boxes.length ? top + height + field.gap : top;
  }
}

/**
 * @param {HTMLElement} tile
 * @param {Box} box
 */
function place(tile, { left, top, width, height }) {
  tile.style.insetInlineStart = `${left}px`;
  tile.style.top = `${top}px`;
  tile.style.width = `${width}px`;
  tile.style.height = `${height}px`;
}
