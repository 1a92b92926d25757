// The grid: months of tiles, newest first, growing as the reader comes near its end.

import { element, fill } from "./elements.js";
import { FileMissing } from "./files.js";
import { layOut } from "./rows.js";
import { walkThrough } from "./selection.js";
import { month, say } from "./text.js";
import { shape, tile } from "./tile.js";
import { OLDER } from "./walk.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./shards.js").Entry} Entry */

/** Entries added a time: about two screens of a desk, quickly laid out on a phone. */
const BATCH = 60;

/** While a search finds little, what it found is shown this often, in milliseconds. */
const PATIENCE = 400;

/** How far below the screen, in pixels, the next batch is made ready. */
const READY_BELOW = 1600;

/** What the heading of a month takes, in pixels. */
const HEADING = 38;

/** Publications swept up under the reader one after the other that are believed before giving up. */
const RENEWALS = 3;

/** One month on the page. @typedef {{ name: string, node: HTMLElement, list: HTMLElement, entries: Entry[] }} Section */

/** The tiles of one view. */
export class Grid {
  /**
   * @param {HTMLElement} root
   * @param {HTMLElement} progress
   * @param {{ manifest: () => Manifest, renew: () => Promise<void>, channelName: (id: string) => string }} archive
   */
  constructor(root, progress, archive) {
    this.root = root;
    this.progress = progress;
    this.archive = archive;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Map<string, number>} */
    this.positions = new Map();
    /** @type {Section[]} */
    this.sections = [];
    /** @type {Promise<boolean> | null} */
    this.growing = null;
    this.ended = false;
    // Reading for a view that was left meanwhile comes to nothing.
    this.round = 0;
    this.width = 0;
    this.near = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.#keepGrowing(), { rootMargin: `0px 0px ${READY_BELOW}px` });
    new ResizeObserver(() => this.#resized()).observe(root);
    root.addEventListener("keydown", (event) => this.#moveFocus(event));
  }

  /**
   * Shows a view from its beginning.
   *
   * @param {View} view
   */
  show(view) {
    this.round += 1;
    this.view = view;
    this.entries = [];
    this.positions = new Map();
    this.sections = [];
    this.growing = null;
    this.ended = false;
    this.walk = walkThrough(this.archive.manifest(), view);
    fill(this.root);
    fill(this.progress, say("loading"));
    this.near.disconnect();
    this.near.observe(this.progress);
  }

  /**
   * Adds the next batch.
   *
   * @returns {Promise<boolean>} whether there was anything to add
   */
  more() {
    if (this.ended) return Promise.resolve(false);
    const round = this.round;
    this.growing ??= this.#grow(round).finally(() => {
      if (round === this.round) this.growing = null;
    });
    return this.growing;
  }

  /**
   * @param {string} id
   * @returns {HTMLElement | null}
   */
  tileOf(id) {
    return this.root.querySelector(`[data-id="${CSS.escape(id)}"] .tile-link`);
  }

  /**
   * Puts newer knowledge about entries that are shown already in their place: a still that has been made, a file that was copied.
   *
   * @param {Entry[]} entries
   */
  refresh(entries) {
    for (const entry of entries) {
      const at = this.positions.get(entry.Id);
      if (at === undefined || !differs(this.entries[at], entry)) continue;
      const section = this.sections.find((one) => one.entries.includes(this.entries[at]));
      if (section) section.entries[section.entries.indexOf(this.entries[at])] = entry;
      this.entries[at] = entry;
      const old = this.tileOf(entry.Id);
      const hadFocus = old === document.activeElement;
      old?.closest(".tile")?.replaceWith(this.#tile(entry));
      if (hadFocus) this.tileOf(entry.Id)?.focus();
      if (section) this.#place(section);
    }
  }

  async #keepGrowing() {
    const round = this.round;
    try {
      while (round === this.round && !this.ended) {
        await this.more();
        if (this.progress.getBoundingClientRect().top > innerHeight + READY_BELOW) break;
      }
      // Observed anew: whoever scrolls on before the observer has seen the end leave would never be seen to arrive.
      this.near.unobserve(this.progress);
      if (!this.ended) this.near.observe(this.progress);
    } catch (error) {
      if (round === this.round) this.#failed(error);
    }
  }

  /**
   * @param {number} round
   * @returns {Promise<boolean>}
   */
  async #grow(round) {
    const { batch, ended } = await this.#gather(round);
    if (round !== this.round) return false;
    this.ended = ended;
    this.#append(batch);
    this.#sayProgress();
    return batch.length > 0 || (!ended && this.#grow(round));
  }

  /** @param {number} round */
  async #gather(round) {
    /** @type {Entry[]} */
    const batch = [];
    const begun = performance.now();
    for (let renewals = 0; batch.length < BATCH && round === this.round; ) {
      try {
        const entry = await this.walk?.next();
        if (!entry) return { batch, ended: true };
        batch.push(entry);
      } catch (error) {
        if (!(error instanceof FileMissing) || renewals === RENEWALS) throw error;
        renewals += 1;
        await this.archive.renew();
        const last = batch.at(-1) ?? this.entries.at(-1) ?? null;
        if (this.view && round === this.round) this.walk = walkThrough(this.archive.manifest(), this.view, OLDER, last);
      }
      if (performance.now() - begun > PATIENCE) break;
    }
    return { batch, ended: false };
  }

  /** @param {Entry[]} batch */
  #append(batch) {
    /** @type {Set<Section>} */
    const changed = new Set();
    for (const entry of batch) {
      if (this.positions.has(entry.Id)) continue;
      this.positions.set(entry.Id, this.entries.length);
      this.entries.push(entry);
      const section = this.#section(month(entry.time));
      section.entries.push(entry);
      section.list.append(this.#tile(entry));
      changed.add(section);
    }
    for (const section of changed) this.#place(section);
  }

  /** @param {Entry} entry */
  #tile(entry) {
    const archive = { mode: this.archive.manifest().media, channelName: this.archive.channelName };
    return tile(entry, /** @type {View} */ (this.view), archive);
  }

  /**
   * @param {string} name
   * @returns {Section}
   */
  #section(name) {
    const last = this.sections.at(-1);
    if (last?.name === name) return last;
    const list = element("ul", { class: "tiles" });
    const node = element("section", { class: "month", attributes: { "aria-label": name } }, element("h2", { class: "month-name" }, name), list);
    const section = { name, node, list, entries: [] };
    this.sections.push(section);
    this.root.append(node);
    return section;
  }

  /** @param {Section} section */
  #place(section) {
    const style = getComputedStyle(this.root);
    const field = {
      width: this.root.clientWidth,
      height: Number.parseFloat(style.getPropertyValue("--row")),
      gap: Number.parseFloat(style.getPropertyValue("--gap")),
    };
    if (field.width === 0) return;
    const { boxes, height } = layOut(section.entries.map(shape), field);
    section.list.style.height = `${height}px`;
    // Months out of sight are not drawn; with their true height the scroll bar tells the truth all the same.
    section.node.style.containIntrinsicBlockSize = `${height + HEADING}px`;
    for (const [at, child] of [...section.list.children].entries()) {
      const { left, top, width, height: high } = boxes[at];
      const { style: its } = /** @type {HTMLElement} */ (child);
      its.insetInlineStart = `${left}px`;
      its.top = `${top}px`;
      its.width = `${width}px`;
      its.height = `${high}px`;
    }
  }

  #resized() {
    if (this.width === this.root.clientWidth) return;
    this.width = this.root.clientWidth;
    for (const section of this.sections) this.#place(section);
  }

  #sayProgress() {
    const reached = this.walk?.reached ?? null;
    if (!this.ended) {
      fill(this.progress, reached !== null && Number.isFinite(reached) ? say("lookingBack", { month: month(reached) }) : say("loading"));
    } else if (this.entries.length) {
      fill(this.progress, say("end"));
    } else {
      const chosen = this.view && (this.view.channel || this.view.person || this.view.kind);
      fill(this.progress, say(chosen ? "nothingSelected" : "nothing"), chosen && " ", chosen && element("a", { attributes: { href: "#/" } }, say("showEverything")));
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    const why = error instanceof Error ? error.message : String(error);
    const again = element("button", { class: "button", attributes: { type: "button" }, on: { click: () => this.#keepGrowing() } }, say("again"));
    fill(this.progress, say("failed", { why }), " ", again);
  }

  /**
   * The arrow keys walk over the tiles as they lie on the screen.
   *
   * @param {KeyboardEvent} event
   */
  #moveFocus(event) {
    const from = document.activeElement?.closest(".tile");
    if (!from || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const at = this.positions.get(/** @type {HTMLElement} */ (from).dataset.id ?? "") ?? 0;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: this.#inRow(from, 1), ArrowUp: this.#inRow(from, -1) }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const entry = this.entries[to];
    if (entry) this.tileOf(entry.Id)?.focus();
  }

  /**
   * The tile in the row below (1) or above (-1) that lies nearest.
   *
   * @param {Element} from
   * @param {1 | -1} direction
   */
  #inRow(from, direction) {
    const own = from.getBoundingClientRect();
    const middle = own.left + own.width / 2;
    const tiles = [...this.root.querySelectorAll(".tile")];
    let at = tiles.indexOf(from);
    const start = at;
    let best = { at: start, off: Infinity };
    let row = null;
    for (at += direction; at >= 0 && at < tiles.length; at += direction) {
      const box = tiles[at].getBoundingClientRect();
      if (Math.abs(box.top - own.top) < 1) continue;
      row ??= box.top;
      if (Math.abs(box.top - row) > 1) break;
      const off = Math.abs(box.left + box.width / 2 - middle);
      if (off < best.off) best = { at, off };
    }
    return best.at;
  }
}

/**
 * @param {Entry} old
 * @param {Entry} fresh
 */
function differs(old, fresh) {
  return JSON.stringify(old) !== JSON.stringify(fresh);
}
