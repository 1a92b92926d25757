// Looks for a new publication now and then, and says quietly what it brought.

import { readManifest } from "./manifest.js";
import { newestFirst } from "./shards.js";
import { walkThrough } from "./selection.js";

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
 * What a new manifest brings to a view: how many entries are newer than all it shows,
 * and those among the shown that were waiting for their still or file, as they are now.
 *
 * @param {Manifest} manifest
 * @param {View} view
 * @param {Entry[]} shown
 * @returns {Promise<{ count: number, renewed: Entry[] }>}
 */
export async function compare(manifest, view, shown) {
  const walk = walkThrough(manifest, view);
  const newest = shown[0] ?? null;
  const waiting = shown.findLast((entry) => isWaiting(entry, manifest.media)) ?? null;
  const renewed = [];
  let count = 0;
  for (let entry = await walk.next(); entry; entry = await walk.next()) {
    if (!newest || newestFirst(entry, newest) < 0) {
      count += 1;
      if (count > MANY && !waiting) break;
    } else if (waiting && newestFirst(entry, waiting) <= 0) {
      renewed.push(entry);
    } else {
      break;
    }
  }
  return { count, renewed };
}

/**
 * @param {Entry} entry
 * @param {"copy" | "link"} mode
 */
function isWaiting(entry, mode) {
  if (entry.Gone) return false;
  const pictured = entry.Kind === "video" || entry.Kind === "image";
  return (mode === "copy" && !entry.Media) || (pictured && !entry.Thumbnail);
}
