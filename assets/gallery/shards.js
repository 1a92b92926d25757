// Indexes and shards: which months a channel has, and what is in them.

import { KINDS } from "./address.js";
import { readJson } from "./files.js";

/** @typedef {import("./manifest.js").Channel} Channel */
/** @typedef {"video" | "image" | "audio" | "file"} Kind */

/**
 * One piece of media in one message. `time` and `channel` are added on reading.
 *
 * @typedef {object} Entry
 * @property {string} Id
 * @property {string | null} Attachment_id
 * @property {string} Discord_id
 * @property {string} channelId
 * @property {string} guildId
 * @property {string} posterId
 * @property {string} Poster
 * @property {string} Description
 * @property {string} Date
 * @property {string} Link_to_message
 * @property {string | null} Attachment_URL
 * @property {number | null} Expire_Timestamp
 * @property {string} Filename
 * @property {string} Extension
 * @property {Kind} Kind
 * @property {string | null} Content_type
 * @property {number | null} Size
 * @property {number | null} Width
 * @property {number | null} Height
 * @property {number | null} Runtime
 * @property {string | null} Media
 * @property {string | null} Thumbnail
 * @property {boolean} Spoiler
 * @property {boolean} Nsfw
 * @property {string | null} Edited_at
 * @property {string} [Deleted_at] since when it is no longer on Discord, though it is kept here
 * @property {string | null} Gone
 * @property {number} time milliseconds since 1970
 * @property {string} channel the channel whose index leads here; for a thread, its parent
 */

/** @typedef {{ id: string, name: string, entries: number }} Thread */
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
    const { entries } = await readJson(path);
    return entries.map((/** @type {any} */ raw) => asEntry(raw, channel)).sort(newestFirst);
  });
}

/**
 * An entry as the page uses it; of a kind that this page does not know yet, it still has a file to offer.
 *
 * @param {any} raw
 * @param {string} channel
 * @returns {Entry}
 */
function asEntry(raw, channel) {
  return { ...raw, Kind: KINDS.includes(raw.Kind) ? raw.Kind : "file", channel, time: Date.parse(raw.Date) };
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
 * @param {{ path: string, count: number, newest: string, oldest: string }} shard
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
