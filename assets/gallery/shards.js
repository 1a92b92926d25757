// Indexes and shards: which months a channel has, and what is in them.

import { KINDS } from "./address.js";
import { readJson } from "./files.js";

/** @typedef {import("./format.js").Channel} Channel */
/** @typedef {import("./format.js").Row} Row */
/** @typedef {import("./format.js").Thread} Thread */

/**
 * A row as the page uses it: `time` is in milliseconds since 1970, `channel` the one whose index leads here, for a thread its parent.
 *
 * @typedef {Row & { time: number, channel: string }} Entry
 */

/** @typedef {{ path: string, count: number, newest: number, oldest: number }} Shard */
/** @typedef {{ channel: string, threads: Thread[], shards: Shard[] }} Index */

/** Shards kept unpacked: enough to walk back and forth among channels, at about 1 MB each still modest. */
const KEPT_SHARDS = 48;

/** @type {Map<string, Promise<Index>>} */
const indexes = new Map();
/** @type {Map<string, Promise<Entry[]>>} */
const shards = new Map();
/** @type {Set<(index: Index) => void>} */
const listeners = new Set();

/**
 * Calls back for each index as it is first read, with the threads it names.
 *
 * @param {(index: Index) => void} listener
 */
export function whenIndexRead(listener) {
  listeners.add(listener);
}

/**
 * The index of a channel, null while the channel has no entries.
 *
 * @param {Channel} channel
 * @returns {Promise<Index | null>}
 */
export async function readIndex(channel) {
  if (!channel.index) return null;
  return remember(indexes, channel.index, Infinity, async (path) => {
    /** @type {import("./format.js").IndexFile} */
    const raw = await readJson(path);
    const index = { channel: channel.id, threads: raw.threads ?? [], shards: raw.shards.map(withTimes) };
    for (const listener of listeners) listener(index);
    return index;
  });
}

/**
 * The entries of a shard, newest first.
 *
 * @param {string} channel
 * @param {Shard} shard
 * @returns {Promise<Entry[]>}
 */
export function readShard(channel, shard) {
  return remember(shards, shard.path, KEPT_SHARDS, async (path) => {
    /** @type {import("./format.js").ShardFile} */
    const { entries } = await readJson(path);
    return entries.map((row) => asEntry(row, channel)).sort(newestFirst);
  });
}

/**
 * An entry as the page uses it; of a kind that this page does not know yet, it still has a file to offer.
 *
 * @param {Row} row
 * @param {string} channel
 * @returns {Entry}
 */
function asEntry(row, channel) {
  return { ...row, Kind: KINDS.includes(row.Kind) ? row.Kind : "file", channel, time: Date.parse(row.Date) };
}

/**
 * The order of the grid. Ids decide between pieces of the same moment, so the order never depends on which file came first.
 *
 * @param {{ time: number, Id: string }} a
 * @param {{ time: number, Id: string }} b
 * @returns {number}
 */
export function newestFirst(a, b) {
  return b.time - a.time || byNumber(b.Id, a.Id);
}

/**
 * Snowflakes are numbers too long for a number: the longer one is larger, else the alphabet decides.
 *
 * @param {string} a
 * @param {string} b
 * @returns {number}
 */
function byNumber(a, b) {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * @param {import("./format.js").ListedShard} shard
 * @returns {Shard}
 */
function withTimes(shard) {
  return { ...shard, newest: Date.parse(shard.newest), oldest: Date.parse(shard.oldest) };
}

/**
 * What the names with a hash lead to never changes, so it is read once; a failed reading is forgotten.
 *
 * @template Value
 * @param {Map<string, Promise<Value>>} kept
 * @param {string} path
 * @param {number} limit
 * @param {(path: string) => Promise<Value>} read
 * @returns {Promise<Value>}
 */
function remember(kept, path, limit, read) {
  const known = kept.get(path);
  if (known) {
    kept.delete(path);
    kept.set(path, known);
    return known;
  }
  const reading = read(path);
  kept.set(path, reading);
  reading.catch(() => kept.delete(path));
  for (const oldest of kept.keys()) {
    if (kept.size <= limit) break;
    kept.delete(oldest);
  }
  return reading;
}
