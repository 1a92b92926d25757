// What a view selects: which channels have to be read, how far back, and which of their entries are shown.

import { readIndex, readShard } from "./shards.js";
import { NEWER, OLDER, Walk } from "./walk.js";

/** @typedef {import("./address.js").Clip} Clip */
/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./shards.js").Entry} Entry */

/**
 * The channels in which a view looks.
 *
 * @param {Manifest} manifest
 * @param {View} view
 */
export function channelsOf(manifest, view) {
  return manifest.channels.filter((channel) => !view.channel || channel.id === view.channel);
}

/**
 * The way through time that a view takes. Sorted by anything else than time, there is none, and the newest come first.
 *
 * @param {View} view
 */
export function directionOf(view) {
  return view.sort === "oldest" ? NEWER : OLDER;
}

/**
 * The times that a view lets in, the first included and the second not: whole days of the reader's own calendar.
 *
 * @param {View} view
 * @returns {{ since: number, before: number }}
 */
export function spanOf(view) {
  const since = view.from ? new Date(`${view.from}T00:00`).getTime() : -Infinity;
  if (!view.to) return { since, before: Infinity };
  const day = new Date(`${view.to}T00:00`);
  day.setDate(day.getDate() + 1);
  return { since, before: day.getTime() };
}

/**
 * The entries of a view in the order of time, from a place onwards.
 *
 * @param {Manifest} manifest
 * @param {View} view
 * @param {1 | -1} [direction]
 * @param {import("./walk.js").Place | null} [from]
 */
export function walkThrough(manifest, view, direction = OLDER, from = null) {
  const { since, before } = spanOf(view);
  const edge = direction === OLDER ? before : since;
  const start = from ?? (Number.isFinite(edge) ? { time: edge, Id: "" } : null);
  return new Walk(channelsOf(manifest, view), (entry) => isShown(view, entry), direction, start, direction === OLDER ? since : before);
}

/**
 * The entry an address names, null when the archive does not have it.
 * Reads the index of its channel and, as a rule, one shard.
 *
 * @param {Manifest} manifest
 * @param {Clip} clip
 * @returns {Promise<Entry | null>}
 */
export async function find(manifest, clip) {
  const channel = manifest.channels.find((known) => known.id === clip.channel);
  const index = channel && (await readIndex(channel));
  if (!channel || !index) return null;
  const posted = momentOf(clip.id);
  const from = Date.parse(`${clip.month}-01T00:00:00Z`);
  const shards = index.shards.filter((shard) => monthOf(shard.oldest) <= monthOf(from) && monthOf(shard.newest) >= monthOf(from));
  const holds = (/** @type {import("./shards.js").Shard} */ shard) => shard.oldest <= posted && posted <= shard.newest;
  // Each month has few shards; the one whose time range holds the message comes first.
  for (const shard of shards.sort((a, b) => Number(holds(b)) - Number(holds(a)))) {
    const found = (await readShard(channel.id, shard)).find((entry) => entry.Id === clip.id);
    if (found) return found;
  }
  return null;
}

/**
 * @param {View} view
 * @param {Entry} entry
 */
export function isShown(view, entry) {
  const { since, before } = spanOf(view);
  return (!view.thread || entry.channelId === view.thread)
    && (!view.person || entry.posterId === view.person)
    && (!view.kind || entry.Kind === view.kind)
    && (view.spoiler === null || entry.Spoiler === (view.spoiler === "only"))
    && (view.min === null || (entry.Runtime ?? 0) >= view.min)
    // What has no length is neither short nor long.
    && (view.max === null || (entry.Runtime !== null && entry.Runtime < view.max))
    && since <= entry.time && entry.time < before;
}

/** @param {number} time */
function monthOf(time) {
  return new Date(time).toISOString().slice(0, 7);
}

/**
 * When a message was posted, as its id tells: milliseconds since 2015 above 22 bits.
 * NaN for an id of another make, which then simply comes in the order of the index.
 *
 * @param {string} id
 */
function momentOf(id) {
  const message = /^\d+/.exec(id);
  return message ? Number((BigInt(message[0]) >> 22n) + 1420070400000n) : NaN;
}
