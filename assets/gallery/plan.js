// What lies ahead in a view, as far as indexes tell: months, cut into stretches that are read one at a time.
// So any month can be jumped to, and the page is about as long as it will be, before any shard is read.

import { OLDER } from "./walk.js";
import { directionOf, spanOf } from "./selection.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./shards.js").Index} Index */
/** @typedef {import("./walk.js").Place} Place */

/**
 * A part of a month: from `start` on, before `end`, and beyond `after` when the part before that is known already.
 * `count` is how many entries about are in it, before anything is filtered out.
 *
 * @typedef {{ start: number, end: number, after: Place | null, count: number }} Part
 */

/** A month of the reader's calendar, named as `2025-06`. @typedef {{ key: string, parts: Part[] }} PlannedMonth */

/** Entries a part has about: read within a moment even when they are spread over many channels, and laid out at once. */
const PART = 400;

/**
 * The months of a view in its order, those before a place left out.
 *
 * @param {Index[]} indexes
 * @param {View} view
 * @param {Place | null} after
 * @returns {PlannedMonth[]}
 */
export function plan(indexes, view, after) {
  const older = directionOf(view) === OLDER;
  const span = spanOf(view);
  /** @type {Map<number, { count: number, oldest: number, newest: number }>} */
  const months = new Map();
  for (const index of indexes) {
    const share = shareOf(index, view.thread);
    for (const shard of index.shards) {
      const oldest = Math.max(shard.oldest, span.since, older || !after ? -Infinity : after.time);
      const newest = Math.min(shard.newest, span.before - 1, older && after ? after.time : Infinity);
      if (oldest > newest) continue;
      const length = shard.newest - shard.oldest + 1;
      for (let start = monthStart(oldest); start <= newest; start = nextMonth(start)) {
        const [from, to] = [Math.max(oldest, start), Math.min(newest, nextMonth(start) - 1)];
        const count = (shard.count * share * (to - from + 1)) / length;
        const known = months.get(start) ?? { count: 0, oldest: from, newest: to };
        months.set(start, { count: known.count + count, oldest: Math.min(known.oldest, from), newest: Math.max(known.newest, to) });
      }
    }
  }
  const sorted = [...months].sort(([a], [b]) => (older ? b - a : a - b));
  return sorted.map(([start, month], at) => ({ key: monthKey(start), parts: parts(start, month, older, at === 0 ? after : null) }));
}

/**
 * @param {number} time
 * @returns {string}
 */
export function monthKey(time) {
  const date = new Date(time);
  return `${String(date.getFullYear()).padStart(4, "0")}-${String(date.getMonth() + 1).padStart(2, "0")}`;
}

/**
 * When a month begins where the reader is.
 *
 * @param {string} key
 */
export function monthTime(key) {
  const [year, month] = key.split("-").map(Number);
  return new Date(year, month - 1, 1).getTime();
}

/**
 * A month cut by time: the same number in each, were they evenly spread.
 *
 * @param {number} start
 * @param {{ count: number, oldest: number, newest: number }} month
 * @param {boolean} older
 * @param {Place | null} after
 * @returns {Part[]}
 */
function parts(start, { count, oldest, newest }, older, after) {
  const number = Math.max(1, Math.ceil(count / PART));
  const step = (newest - oldest) / number;
  const cuts = Array.from({ length: number + 1 }, (_, at) => Math.round(oldest + step * at));
  // The ends reach to those of the month, so that nothing falls between two parts.
  [cuts[0], cuts[number]] = [start, nextMonth(start)];
  const cut = cuts.slice(1).map((end, at) => ({ start: cuts[at], end, after: null, count: count / number }));
  if (older) cut.reverse();
  return cut.map((part, at) => (at === 0 ? { ...part, after } : part));
}

/**
 * How much of a channel is of the thread that is asked for.
 *
 * @param {Index} index
 * @param {string | null} thread
 */
function shareOf(index, thread) {
  if (!thread) return 1;
  const all = index.shards.reduce((sum, shard) => sum + shard.count, 0);
  return (index.threads.find(({ id }) => id === thread)?.entries ?? 0) / Math.max(1, all);
}

/** @param {number} time */
function monthStart(time) {
  const date = new Date(time);
  return new Date(date.getFullYear(), date.getMonth(), 1).getTime();
}

/** @param {number} start */
function nextMonth(start) {
  const date = new Date(start);
  return new Date(date.getFullYear(), date.getMonth() + 1, 1).getTime();
}
