// The grid: months of tiles, of which only those near the screen are in the document, and only those that were come to are read.

import { element, fill } from "./elements.js";
import { FileMissing } from "./files.js";
import { moveFocus } from "./focus.js";
import { Month } from "./month.js";
import { monthKey, plan } from "./plan.js";
import { isWaiting } from "./news.js";
import { newestTime, readBeginning, readIndexes, readPart, readRanked } from "./reading.js";
import { directionOf, walkThrough } from "./selection.js";
import { isNarrowed } from "./address.js";
import { month as monthName, say } from "./text.js";
import { tile } from "./tile.js";
import { OLDER } from "./walk.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./month.js").Stretch} Stretch */
/** @typedef {import("./shards.js").Entry} Entry */

/** Where in a view one looks: an entry and how far below the upper edge it lies, or a month alone. @typedef {{ month: string, id?: string, time?: number, offset?: number }} Spot */

/** How far beyond the screen, in pixels, tiles are in the document, so that a quick thumb sees no gaps. */
const DRAWN = 900;

/** How far beyond the screen, in pixels, parts are read. */
const READY = 1600;

/** Parts read at the same time; each reads several channels at once already. */
const READING = 2;

/** Parts kept in memory, about 400 entries each: a screen's neighbourhood and a good way back. */
const KEPT = 30;

/** A jump this many screens long may be one of many while a thumb is dragged along; reading waits until it rests. */
const JUMP = 1.5;

/** How long it has to rest, in milliseconds. */
const REST = 140;

/** Publications swept up under the reader one after the other that are believed before giving up. */
const RENEWALS = 3;

/** The average shape of what people post, for heights that are not known yet. */
const AVERAGE_SHAPE = 1.5;

/** The most that is set aside for what is not read, in pixels: pages longer than 17 million end early in Firefox, than 33 in others. */
const LONGEST = 8_000_000;

/** What the sticky bar covers, in pixels. */
const BAR = 60;

/** The tiles of one view. */
export class Grid {
  /**
   * @param {HTMLElement} root
   * @param {HTMLElement} progress
   * @param {{ manifest: () => Manifest, renew: () => Promise<void>, channelName: (id: string) => string, moved: () => void }} archive `moved` is called when months or what is on the screen changed
   */
  constructor(root, progress, archive) {
    this.root = root;
    this.progress = progress;
    this.archive = archive;
    /** @type {Month[]} */
    this.months = [];
    /** Looked at and found, for guesses at what is not read. */
    this.seen = 0;
    this.found = 0;
    /** Whether all months are known. */
    this.planned = false;
    // Reading for a view that was left meanwhile comes to nothing.
    this.round = 0;
    this.width = 0;
    this.lastTop = 0;
    this.newest = -Infinity;
    this.resting = 0;
    this.frame = 0;
    new ResizeObserver(() => this.#resized()).observe(root);
    addEventListener("scroll", () => this.#schedule(), { passive: true });
    addEventListener("resize", () => this.#schedule());
    root.addEventListener("keydown", (event) => moveFocus(this, event));
  }

  /**
   * Shows a view from its beginning, or from a spot in it.
   *
   * @param {View} view
   * @param {Spot | null} [spot]
   */
  show(view, spot = null) {
    this.round += 1;
    this.view = view;
    this.months = [];
    [this.seen, this.found] = [0, 0];
    this.planned = false;
    this.newest = newestTime(this.archive.manifest(), view);
    this.root.setAttribute("aria-busy", "true");
    fill(this.root);
    fill(this.progress, say("loading"));
    scrollTo(0, 0);
    this.archive.moved();
    this.begun = this.#begin(this.round, view, spot);
  }

  /**
   * @param {string} id
   * @returns {HTMLElement | null}
   */
  tileOf(id) {
    return this.root.querySelector(`[data-id="${CSS.escape(id)}"] .tile-link`);
  }

  /** Everything that is read, in order. */
  get placed() {
    return this.months.flatMap((month) => month.placed.map(({ entry, box }) => ({ entry, box, month })));
  }

  /**
   * @param {string} id
   * @returns {Entry | null}
   */
  entryOf(id) {
    return this.placed.find(({ entry }) => entry.Id === id)?.entry ?? null;
  }

  /**
   * The entry after (1) or before (-1) another.
   *
   * @param {Entry} entry
   * @param {1 | -1} direction
   * @returns {Promise<Entry | null>}
   */
  async neighbour(entry, direction) {
    const view = this.view;
    if (!view) return null;
    if (this.isRanked) {
      const entries = this.placed.map((one) => one.entry);
      return entries[entries.findIndex(({ Id }) => Id === entry.Id) + direction] ?? null;
    }
    const way = direction === directionOf(view) ? 1 : -1;
    return this.#withFresh(() => walkThrough(this.archive.manifest(), view, way, entry).next());
  }

  /** Whether the view is ordered by something else than time. */
  get isRanked() {
    return this.view?.sort === "longest" || this.view?.sort === "largest";
  }

  /** Any entry of the view, by chance; null when there is none. */
  async pick() {
    const stretches = this.months.flatMap((month) => month.stretches).filter((stretch) => stretch.count > 0);
    while (stretches.length) {
      let ticket = Math.random() * stretches.reduce((sum, { count }) => sum + count, 0);
      const at = Math.max(0, stretches.findIndex(({ count }) => (ticket -= count) < 0));
      const [stretch] = stretches.splice(at, 1);
      const entries = stretch.entries ?? (stretch.part && this.view ? (await this.#read(stretch.part, this.view)).entries : []);
      if (entries.length) return entries[Math.floor(Math.random() * entries.length)];
    }
    return null;
  }

  /**
   * Brings an entry onto the screen and gives it the focus.
   *
   * @param {Entry} entry
   */
  async reveal(entry) {
    const round = this.round;
    // Whoever closes a shared piece at once may be ahead of the months.
    await this.begun;
    await this.#readTo(entry.time);
    const placed = this.placed.find((one) => one.entry.Id === entry.Id);
    if (!placed || round !== this.round) return;
    const top = this.#start() + placed.month.top + placed.month.heading + placed.box.top;
    if (top < scrollY + BAR || top + placed.box.height > scrollY + innerHeight) {
      scrollTo(0, top - Math.max(BAR, (innerHeight - placed.box.height) / 2));
    }
    this.#draw();
    this.tileOf(entry.Id)?.focus({ preventScroll: true });
  }

  /** Where in the view one looks; null at its beginning. @returns {Spot | null} */
  get spot() {
    const { line } = this;
    const month = this.monthAt(line);
    if (!month?.key || scrollY < 8) return null;
    const first = month.placed.find(({ box }) => month.top + month.heading + box.top + box.height > line);
    return first ? { month: month.key, id: first.entry.Id, time: first.entry.time, offset: month.top + month.heading + first.box.top - line } : { month: month.key };
  }

  /** @param {Spot} spot */
  async goTo(spot) {
    const round = this.round;
    const older = !this.view || directionOf(this.view) === OLDER;
    const month = this.months.find(({ key }) => key && (older ? key <= spot.month : key >= spot.month)) ?? this.months.at(-1);
    if (!month) return;
    this.scrollTo(month === this.months[0] ? 0 : month.top);
    if (spot.time === undefined) return;
    await this.#readTo(spot.time);
    const placed = this.placed.find((one) => one.entry.Id === spot.id);
    if (placed && round === this.round) this.scrollTo(placed.month.top + placed.month.heading + placed.box.top - (spot.offset ?? 0));
  }

  /**
   * The month that lies at a height of the grid.
   *
   * @param {number} height
   */
  monthAt(height) {
    return this.months.find((month) => !month.node.hidden && month.top + month.heading + month.height > height) ?? this.months.at(-1);
  }

  /** The height of the grid that is at the upper edge of the screen, below the bar. */
  get line() {
    return scrollY + BAR - this.#start();
  }

  /** How much of the grid can pass that edge. */
  get length() {
    return Math.max(1, document.documentElement.scrollHeight - innerHeight + BAR - this.#start());
  }

  /** How far one is, from 0 to 1. */
  get position() {
    return Math.min(1, Math.max(0, (this.line + 1) / this.length));
  }

  /**
   * Brings a height of the grid to the upper edge; its beginning brings what stands above it too.
   *
   * @param {number} height
   */
  scrollTo(height) {
    scrollTo(0, height <= 0 ? 0 : this.#start() + height - BAR);
  }

  /** What was read and is not all there yet: without its still or its file. */
  get waiting() {
    const { media } = this.archive.manifest();
    return this.placed.map(({ entry }) => entry).filter((entry) => isWaiting(entry, media));
  }

  /**
   * Puts newer knowledge about entries that were read in their place: a still that has been made, a file that was copied.
   *
   * @param {Entry[]} entries
   */
  refresh(entries) {
    for (const fresh of entries) {
      const known = this.placed.find(({ entry }) => entry.Id === fresh.Id);
      if (!known || JSON.stringify(known.entry) === JSON.stringify(fresh)) continue;
      const hadFocus = this.tileOf(fresh.Id) === document.activeElement;
      known.month.replace(known.entry, fresh);
      this.#settle();
      if (hadFocus) this.tileOf(fresh.Id)?.focus();
    }
  }

  /**
   * @param {number} round
   * @param {View} view
   * @param {Spot | null} spot
   */
  async #begin(round, view, spot) {
    try {
      if (this.isRanked) {
        await this.#rank(round, view);
      } else {
        const beginning = spot ? null : await this.#withFresh(() => readBeginning(this.archive.manifest(), view));
        if (round !== this.round) return;
        if (beginning) this.#addFound(beginning.entries, beginning.seen);
        this.planned = beginning !== null && beginning.passed === null;
        this.#settle();
        if (!this.planned) await this.#addPlan(round, view, beginning?.passed ?? null);
        if (spot && round === this.round) await this.goTo(spot);
      }
      if (round === this.round) this.#update();
    } catch (error) {
      if (round === this.round) this.#failed(error, () => this.show(view, spot));
    }
  }

  /**
   * @param {Entry[]} entries
   * @param {number} seen
   */
  #addFound(entries, seen) {
    this.seen += seen;
    this.found += entries.length;
    const keys = new Set(entries.map((entry) => monthKey(entry.time)));
    for (const key of keys) this.#month(key).add(null, entries.filter((entry) => monthKey(entry.time) === key));
  }

  /**
   * @param {number} round
   * @param {View} view
   * @param {import("./walk.js").Place | null} after
   */
  async #addPlan(round, view, after) {
    const indexes = await this.#withFresh(() => readIndexes(this.archive.manifest(), view));
    if (round !== this.round) return;
    for (const { key, parts } of plan(indexes, view, after)) {
      const month = this.#month(key);
      for (const part of parts) month.add(part, null);
    }
    this.planned = true;
    this.#settle();
  }

  /**
   * @param {number} round
   * @param {View} view
   */
  async #rank(round, view) {
    const reached = (/** @type {number} */ time) => {
      if (round === this.round) fill(this.progress, say("lookingBack", { month: monthName(time) }));
      return round === this.round;
    };
    const entries = await this.#withFresh(() => readRanked(this.archive.manifest(), view, reached));
    if (round !== this.round) return;
    this.#month(null).add(null, entries);
    this.planned = true;
    this.#settle();
  }

  /** @param {string | null} key */
  #month(key) {
    const last = this.months.at(-1);
    if (last && last.key === key) return last;
    const month = new Month(key);
    this.months.push(month);
    this.root.append(month.node);
    return month;
  }

  /** Lays everything out anew without moving what is on the screen. */
  #settle() {
    const { spot } = this;
    const style = getComputedStyle(this.root);
    const field = { width: this.root.clientWidth, height: Number.parseFloat(style.getPropertyValue("--row")), gap: Number.parseFloat(style.getPropertyValue("--gap")) };
    if (field.width === 0) return;
    const share = this.seen ? (this.found + 0.5) / (this.seen + 1) : 1;
    const each = (share * AVERAGE_SHAPE * field.height * (field.height + field.gap)) / field.width;
    const unread = this.months.reduce((sum, month) => sum + month.unread, 0);
    const squeezed = Math.min(each, LONGEST / Math.max(1, unread));
    const estimate = (/** @type {number} */ count) => count * squeezed;
    const { line } = this;
    // Where nothing is read yet, how far down its month one is says where one is.
    const before = !spot?.id && scrollY >= 8 ? this.monthAt(line) : undefined;
    const depth = before ? (line - before.top) / Math.max(1, before.heading + before.height) : 0;
    for (const month of this.months) month.layOut(field, estimate);
    for (const month of this.months) month.top = month.node.hidden ? 0 : month.node.offsetTop - this.root.offsetTop;
    if (spot?.id) {
      const placed = this.placed.find(({ entry }) => entry.Id === spot.id);
      if (placed) this.#keepAt(placed.month.top + placed.month.heading + placed.box.top - (spot.offset ?? 0));
    } else if (before) {
      this.#keepAt(before.top + depth * (before.heading + before.height));
    }
    this.#draw();
    this.archive.moved();
  }

  /**
   * Corrects the position after what lies above has another height; less than a pixel would only stop a finger's swing.
   *
   * @param {number} height
   */
  #keepAt(height) {
    if (Math.abs(height - this.line) >= 1) scrollTo(0, this.#start() + height - BAR);
  }

  /** Where the grid begins on the page. */
  #start() {
    return this.root.getBoundingClientRect().top + scrollY;
  }

  #resized() {
    if (this.width === this.root.clientWidth) return;
    this.width = this.root.clientWidth;
    if (!this.view) return;
    this.#settle();
    this.#schedule();
  }

  #schedule() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#update());
  }

  #update() {
    if (!this.view) return;
    this.#draw();
    const jumped = Math.abs(scrollY - this.lastTop) > JUMP * innerHeight;
    this.lastTop = scrollY;
    clearTimeout(this.resting);
    if (jumped) this.resting = setTimeout(() => this.#readOn(), REST);
    else this.#readOn();
    this.archive.moved();
  }

  #draw() {
    const archive = { mode: this.archive.manifest().media, channelName: this.archive.channelName };
    const view = /** @type {View} */ (this.view);
    const top = scrollY - this.#start() - DRAWN;
    const bottom = top + innerHeight + 2 * DRAWN;
    for (const month of this.months) {
      const own = month.top + month.heading;
      if (month.node.hidden || own + month.height < top || month.top > bottom) month.clear();
      else month.draw(top - own, bottom - own, (entry) => tile(entry, view, archive));
    }
  }

  /** Reads what is near the screen and not read yet, the nearest first, and gives up what is far away when there is much. */
  #readOn() {
    const line = scrollY - this.#start();
    const distance = (/** @type {{ month: Month, stretch: Stretch }} */ { month, stretch }) => {
      const top = month.top + month.heading + stretch.top;
      return Math.max(0, top - (line + innerHeight), line - (top + stretch.height));
    };
    const all = this.months.flatMap((month) => month.stretches.map((stretch) => ({ month, stretch }))).filter(({ month }) => !month.node.hidden || !month.isEmpty);
    const near = all.filter((one) => !one.stretch.entries && !one.stretch.failed && distance(one) <= READY).sort((a, b) => distance(a) - distance(b));
    const reading = all.filter(({ stretch }) => stretch.reading).length;
    for (const { stretch } of near.filter((one) => !one.stretch.reading).slice(0, Math.max(0, READING - reading))) void this.#readStretch(stretch).catch(() => {});
    const far = all.filter((one) => one.stretch.entries?.length && one.stretch.part).sort((a, b) => distance(b) - distance(a));
    const spare = far.slice(0, Math.max(0, far.length - KEPT)).filter((one) => distance(one) > READY);
    for (const { stretch } of spare) stretch.entries = null;
    if (spare.length) this.#settle();
    this.root.setAttribute("aria-busy", String(!this.planned || near.length > 0));
    this.#sayProgress();
  }

  /**
   * @param {Stretch} stretch
   * @returns {Promise<void>}
   */
  #readStretch(stretch) {
    const round = this.round;
    const { part } = stretch;
    if (!part || !this.view) return Promise.resolve();
    stretch.reading ??= this.#read(part, this.view).then(
      ({ entries, seen }) => {
        stretch.reading = null;
        if (round !== this.round) return;
        // What was given up and is read again has been counted.
        if (!stretch.counted) [this.seen, this.found] = [this.seen + seen, this.found + entries.length];
        stretch.counted = true;
        stretch.entries = entries;
        stretch.count = entries.length ? seen : 0;
        this.#settle();
        this.#readOn();
      },
      (error) => {
        stretch.reading = null;
        stretch.failed = true;
        if (round === this.round) this.#failed(error, () => this.#retry());
        throw error;
      },
    );
    return stretch.reading;
  }

  /**
   * @param {import("./plan.js").Part} part
   * @param {View} view
   */
  #read(part, view) {
    return this.#withFresh(() => readPart(this.archive.manifest(), view, part));
  }

  /**
   * Reads the part of a time, wherever on the page it lies.
   *
   * @param {number} time
   */
  async #readTo(time) {
    const holds = (/** @type {Stretch} */ { part }) => part && part.start <= time && time < part.end;
    const wanted = this.months.flatMap((month) => month.stretches).filter((stretch) => !stretch.entries && holds(stretch));
    for (const stretch of wanted) await this.#readStretch(stretch);
  }

  /**
   * Does something that reads, again with a fresh manifest when the files of the one before are gone.
   *
   * @template Value
   * @param {() => Promise<Value>} work
   * @returns {Promise<Value>}
   */
  async #withFresh(work) {
    for (let renewals = 0; ; renewals += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof FileMissing) || renewals === RENEWALS) throw error;
        await this.archive.renew();
      }
    }
  }

  #sayProgress() {
    const waiting = this.months.flatMap((month) => month.stretches).find((stretch) => !stretch.entries);
    if (waiting?.failed) return;
    if (!this.planned) {
      fill(this.progress, say("loading"));
    } else if (this.found || this.isRanked && this.months.some((month) => !month.isEmpty)) {
      fill(this.progress, say("end"));
    } else if (waiting?.part) {
      fill(this.progress, say("lookingBack", { month: monthName(waiting.part.start) }));
    } else {
      const chosen = this.view && isNarrowed(this.view);
      fill(this.progress, say(chosen ? "nothingSelected" : "nothing"), chosen && " ", chosen && element("a", { attributes: { href: "#/" } }, say("showEverything")));
    }
  }

  #retry() {
    for (const month of this.months) for (const stretch of month.stretches) stretch.failed = false;
    this.#update();
  }

  /**
   * @param {unknown} error
   * @param {() => void} again
   */
  #failed(error, again) {
    const why = error instanceof Error ? error.message : String(error);
    fill(this.progress, say("failed", { why }), " ", element("button", { class: "button", attributes: { type: "button" }, on: { click: again } }, say("again")));
    this.root.setAttribute("aria-busy", "false");
  }
}

