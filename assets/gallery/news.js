// Looks for a new publication now and then, and says quietly what it brought.

import { clipOf } from "./address.js";
import { readManifest } from "./manifest.js";
import { find, walkThrough } from "./selection.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./shards.js").Entry} Entry */

/** The service publishes once a minute at most, so looking more often finds nothing. */
const INTERVAL = 60_000;

/** A tab that gains and loses the focus again and again asks no more often than this, in milliseconds. */
const SHORTEST = 3_000;

/** Beyond this, the number of new pieces interests nobody, and counting them would read on and on. */
export const MANY = 99;

/**
 * Calls `changed` with each manifest that is another than the one before.
 *
 * @param {() => number | null} generation of the manifest that is shown; null while there is none
 * @param {(manifest: Manifest) => Promise<void>} changed
 */
export function watch(generation, changed) {
  let looked = performance.now();
  const look = async () => {
    if (document.hidden || performance.now() - looked < SHORTEST) return;
    looked = performance.now();
    try {
      const manifest = await readManifest();
      if (manifest.generation !== generation()) await changed(manifest);
    } catch {
      // Without a connection the next look, a minute later, is early enough.
    }
  };
  setInterval(look, INTERVAL);
  addEventListener("focus", look);
  addEventListener("online", look);
  document.addEventListener("visibilitychange", look);
}

/**
 * What a new manifest brings to a view: how many entries are newer than all it showed,
 * and those among the shown that were waiting for their still or file, as they are now.
 *
 * @param {Manifest} manifest
 * @param {View} view
 * @param {number} newest
 * @param {Entry[]} waiting
 * @returns {Promise<{ count: number, renewed: Entry[] }>}
 */
export async function compare(manifest, view, newest, waiting) {
  const walk = walkThrough(manifest, view);
  let count = 0;
  for (let entry = await walk.next(); entry && entry.time > newest && count <= MANY; entry = await walk.next()) count += 1;
  const renewed = [];
  for (const entry of waiting.slice(0, MANY)) {
    const fresh = await find(manifest, clipOf(entry));
    if (fresh) renewed.push(fresh);
  }
  return { count, renewed };
}

/**
 * @param {Entry} entry
 * @param {"copy" | "link"} mode
 */
export function isWaiting(entry, mode) {
  if (entry.Gone) return false;
  const pictured = entry.Kind === "video" || entry.Kind === "image";
  return (mode === "copy" && !entry.Media) || (pictured && !entry.Thumbnail);
}
