// The root of the archive: which channels there are, and under which names their indexes lie right now.

import { readJson } from "./files.js";

/** @typedef {{ from: string, to: string, why: string }} Hole */
/** @typedef {{ completeSince: string | null, fromStart: boolean, holes: Hole[] }} Coverage */

/**
 * @typedef {object} Channel
 * @property {string} id
 * @property {string} guildId
 * @property {string} name
 * @property {"text" | "voice" | "stage" | "announcement" | "forum" | "media"} kind
 * @property {string | null} category
 * @property {number} position
 * @property {number} entries
 * @property {string | null} newest
 * @property {string | null} index
 * @property {Coverage} coverage
 */

/**
 * @typedef {object} Manifest
 * @property {number} version
 * @property {number} generation
 * @property {string} publishedAt
 * @property {string} title
 * @property {"copy" | "link"} media
 * @property {{ entries: number, bytes: number, people: number }} totals
 * @property {string | null} users
 * @property {{ id: string, name: string }[]} guilds
 * @property {Channel[]} channels
 */

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
