// The root of the archive: which channels there are, and under which names their indexes lie right now.

import { readJson } from "./files.js";

/** @typedef {import("./format.js").Manifest} Manifest */

/** The layout this page understands. A later one may move things, so it is said and not guessed at. */
const VERSION = 1;

/** The archive was laid out by a newer program than the one that wrote this page. */
export class NewerArchive extends Error {}

/** @returns {Promise<Manifest>} */
export async function readManifest() {
  const manifest = await readJson("messages/manifest.json", "no-store");
  if (manifest.version !== VERSION) throw new NewerArchive(`manifest version ${manifest.version}`);
  return manifest;
}
