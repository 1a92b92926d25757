// Walks through many channels in the order of time, in either direction, reading only the shards it comes to.

import { newestFirst, readIndex, readShard } from "./shards.js";

/** @typedef {import("./format.js").Channel} Channel */
/** @typedef {import("./shards.js").Entry} Entry */
/** @typedef {import("./shards.js").Shard} Shard */
/** @typedef {{ time: number, Id: string }} Place */

/** Towards the past, the order of the grid. */
export const OLDER = 1;
/** Towards the present. */
export const NEWER = -1;

/**
 * Channels read at the same time. One after the other, a server of twenty channels
 * would need forty round trips for its first screen; all at once, it would read what nobody looks at.
 */
const AHEAD = 4;

/** Only what lies this close in time is read beside the next one: a month, the size of a shard. */
const CLOSE = 31 * 86_400_000;

/**
 * What is left of one channel. `bound` is the time of its next entry,
 * or while that is not read yet, a time that no entry to come can precede on the way.
 *
 * @typedef {object} Source
 * @property {Channel} channel
 * @property {number} bound
 * @property {Shard[] | null} shards
 * @property {Entry[]} entries
 * @property {number} at
 * @property {Promise<void> | null} reading
 */

/** The entries of some channels in the order of time, from a place onwards. */
export class Walk {
  /**
   * @param {Channel[]} channels
   * @param {(entry: Entry) => boolean} accepts
   * @param {1 | -1} [direction]
   * @param {Place | null} [from] where to begin; the entry there is left out
   * @param {number} [limit] the time at which to end: towards the past the last one that is let in, towards the present the first one that is not
   */
  constructor(channels, accepts, direction = OLDER, from = null, limit = direction === OLDER ? -Infinity : Infinity) {
    this.accepts = accepts;
    this.direction = direction;
    this.from = from;
    this.limit = limit;
    /** What was come by last, accepted or not. @type {Place | null} */
    this.passed = from;
    /** How many were come by. */
    this.seen = 0;
    /** @type {Source[]} */
    this.sources = channels.flatMap((channel) => this.#source(channel));
  }

  /** The time up to which everything has been looked at; null when there is nothing left. */
  get reached() {
    return this.sources.length ? this.#first().bound : null;
  }

  /** @returns {Promise<Entry | null>} the next entry, null at the end */
  async next() {
    for (;;) {
      const entry = await this.pass();
      if (!entry || this.accepts(entry)) return entry;
    }
  }

  /** @returns {Promise<Entry | null>} the next entry whether or not it is accepted, null at the end */
  async pass() {
    while (this.sources.length) {
      const source = this.#first();
      if (this.#beyond(source.bound)) break;
      if (source.at >= source.entries.length) {
        await this.#read(source);
        continue;
      }
      const entry = source.entries[source.at];
      source.at += 1;
      this.#settle(source);
      this.passed = entry;
      this.seen += 1;
      return entry;
    }
    this.sources = [];
    return null;
  }

  /**
   * Whether nothing that is wanted can come at this time or after it.
   *
   * @param {number} time
   */
  #beyond(time) {
    return this.direction === OLDER ? time < this.limit : time >= this.limit;
  }

  /**
   * @param {Channel} channel
   * @returns {Source[]}
   */
  #source(channel) {
    if (!channel.index || !channel.newest) return [];
    const newest = Date.parse(channel.newest);
    if (this.direction === NEWER && this.from && newest < this.from.time) return [];
    const start = this.from?.time ?? (this.direction === OLDER ? Infinity : -Infinity);
    const bound = this.direction === OLDER ? Math.min(newest, start) : start;
    return [{ channel, bound, shards: null, entries: [], at: 0, reading: null }];
  }

  /** The source that may hold the next entry; among equals one that is still to be read, lest it be overtaken. */
  #first() {
    return this.sources.reduce((best, source) => (this.#precedes(source, best) ? source : best));
  }

  /**
   * @param {Source} a
   * @param {Source} b
   */
  #precedes(a, b) {
    const difference = (b.bound - a.bound) * this.direction;
    if (difference !== 0 && !Number.isNaN(difference)) return difference < 0;
    const [left, right] = [a.entries[a.at], b.entries[b.at]];
    if (!left || !right) return !left && Boolean(right);
    return newestFirst(left, right) * this.direction < 0;
  }

  /**
   * Waits for one source, while those likely to be needed next are read beside it.
   *
   * @param {Source} source
   */
  async #read(source) {
    const close = (/** @type {Source} */ other) => !(Math.abs(other.bound - source.bound) > CLOSE) && !this.#beyond(other.bound);
    const unread = this.sources.filter((other) => other.at >= other.entries.length && close(other));
    unread.sort((a, b) => (this.#precedes(a, b) ? -1 : this.#precedes(b, a) ? 1 : 0));
    for (const other of unread.slice(0, AHEAD)) {
      // A failure beside us is met again when that source's turn comes.
      if (other !== source) this.#step(other).catch(() => {});
    }
    await this.#step(source);
  }

  /**
   * @param {Source} source
   * @returns {Promise<void>}
   */
  #step(source) {
    source.reading ??= this.#advance(source).finally(() => {
      source.reading = null;
    });
    return source.reading;
  }

  /**
   * Reads the index, then one shard a time.
   *
   * @param {Source} source
   */
  async #advance(source) {
    if (source.shards === null) {
      const index = await readIndex(source.channel);
      const shards = (index?.shards ?? []).filter((shard) => this.#ahead(shard));
      source.shards = this.direction === OLDER ? [...shards] : shards.reverse();
    } else if (source.shards.length) {
      const entries = await readShard(source.channel.id, source.shards[0]);
      source.shards.shift();
      const ordered = this.direction === OLDER ? entries : [...entries].reverse();
      source.entries = ordered.filter((entry) => this.#onTheWay(entry));
      source.at = 0;
    }
    this.#settle(source);
  }

  /**
   * Sets the bound to what is known now, and drops a source that has nothing left.
   *
   * @param {Source} source
   */
  #settle(source) {
    const entry = source.entries[source.at];
    if (entry) {
      source.bound = entry.time;
    } else if (source.shards?.length) {
      const shard = source.shards[0];
      source.bound = this.direction === OLDER ? Math.min(shard.newest, source.bound) : Math.max(shard.oldest, source.bound);
    } else if (source.shards) {
      this.sources = this.sources.filter((other) => other !== source);
    }
  }

  /** @param {Shard} shard */
  #ahead(shard) {
    if (!this.from) return true;
    return this.direction === OLDER ? shard.oldest <= this.from.time : shard.newest >= this.from.time;
  }

  /** @param {Entry} entry */
  #onTheWay(entry) {
    return !this.from || newestFirst(this.from, entry) * this.direction < 0;
  }
}
