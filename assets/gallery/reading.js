// Reads the entries of a view: its beginning, a part that was planned, or all of it when it is ordered by something else than time.

import { readIndex } from "./shards.js";
import { channelsOf, directionOf, isShown, spanOf, walkThrough } from "./selection.js";
import { OLDER, Walk } from "./walk.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./plan.js").Part} Part */
/** @typedef {import("./shards.js").Entry} Entry */
/** @typedef {import("./walk.js").Place} Place */

/** What was found, after how many were looked at. @typedef {{ entries: Entry[], seen: number }} Found */

/** Entries of the first screen: about two screens of a desk, quickly laid out on a phone. */
const FIRST = 60;

/** While the first screen finds little, what was found is shown after this, in milliseconds. */
const PATIENCE = 400;

/** The longest list by length or size. Nobody scrolls further, and entries beyond it need no memory. */
const RANKED = 2_000;

/** While everything is gone through, how far it came is told after this many entries. */
const TOLD_EVERY = 500;

/**
 * The beginning of a view, up to the place from which on nothing was looked at; null when that was all.
 *
 * @param {Manifest} manifest
 * @param {View} view
 * @returns {Promise<Found & { passed: Place | null }>}
 */
export async function readBeginning(manifest, view) {
  const walk = walkThrough(manifest, view, directionOf(view));
  const begun = performance.now();
  /** @type {Entry[]} */
  const entries = [];
  while (entries.length < FIRST && performance.now() - begun < PATIENCE) {
    const entry = await walk.pass();
    if (!entry) return { entries, seen: walk.seen, passed: null };
    if (isShown(view, entry)) entries.push(entry);
  }
  return { entries, seen: walk.seen, passed: walk.passed };
}

/**
 * The indexes of all channels of a view.
 *
 * @param {Manifest} manifest
 * @param {View} view
 */
export async function readIndexes(manifest, view) {
  const indexes = await Promise.all(channelsOf(manifest, view).map(readIndex));
  return indexes.filter((index) => index !== null);
}

/**
 * @param {Manifest} manifest
 * @param {View} view
 * @param {Part} part
 * @returns {Promise<Found>}
 */
export async function readPart(manifest, view, part) {
  const direction = directionOf(view);
  const from = part.after ?? { time: direction === OLDER ? part.end : part.start, Id: "" };
  const walk = new Walk(channelsOf(manifest, view), (entry) => isShown(view, entry), direction, from, direction === OLDER ? part.start : part.end);
  /** @type {Entry[]} */
  const entries = [];
  for (let entry = await walk.next(); entry; entry = await walk.next()) entries.push(entry);
  return { entries, seen: walk.seen };
}

/**
 * The entries of a view that are longest or largest. No index knows them, so all of the view is gone through.
 *
 * @param {Manifest} manifest
 * @param {View} view
 * @param {(time: number) => boolean} reached told how far back it came; false ends it
 * @returns {Promise<Entry[]>}
 */
export async function readRanked(manifest, view, reached) {
  const walk = walkThrough(manifest, view);
  const measure = (/** @type {Entry} */ entry) => (view.sort === "longest" ? entry.Runtime : entry.Size) ?? 0;
  /** @type {Entry[]} */
  let best = [];
  const cut = () => {
    best = best.sort((a, b) => measure(b) - measure(a) || b.time - a.time).slice(0, RANKED);
  };
  for (let entry = await walk.next(); entry; entry = await walk.next()) {
    if (measure(entry) > 0) best.push(entry);
    if (best.length >= 2 * RANKED) cut();
    if (walk.seen % TOLD_EVERY === 0 && !reached(entry.time)) return [];
  }
  cut();
  return best;
}

/**
 * The newest moment of what a view may show: what comes later is new to it.
 *
 * @param {Manifest} manifest
 * @param {View} view
 */
export function newestTime(manifest, view) {
  const { before } = spanOf(view);
  return Math.min(before, Math.max(...channelsOf(manifest, view).map((channel) => (channel.newest ? Date.parse(channel.newest) : -Infinity))));
}
