// What a view selects: which channels have to be read, and which of their entries are shown.

import { readIndex, readShard } from "./shards.js";
import { OLDER, Walk } from "./walk.js";

/** @typedef {import("./address.js").Clip} Clip */
/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./shards.js").Entry} Entry */

/**
 * The entries of a view, from a place onwards.
 *
 * @param {Manifest} manifest
 * @param {View} view
 * @param {1 | -1} [direction]
 * @param {import("./walk.js").Place | null} [from]
 */
export function walkThrough(manifest, view, direction = OLDER, from = null) {
  const channels = manifest.channels.filter((channel) => !view.channel || channel.id === view.channel);
  return new Walk(channels, (entry) => isShown(view, entry), direction, from);
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
function isShown(view, entry) {
  return (!view.thread || entry.channelId === view.thread)
    && (!view.person || entry.posterId === view.person)
    && (!view.kind || entry.Kind === view.kind);
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
