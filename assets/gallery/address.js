// The address of the page says everything that can be seen, so any view can be shared and the back button works.
//
//   #/                                          everything
//   #/?channel=100&thread=200&person=7&kind=video
//   #/clip/100/2026-03/900-901?person=7         one piece, in its channel and month, among those of a person

/** @typedef {import("./shards.js").Entry} Entry */
/** @typedef {import("./format.js").Kind} Kind */

/** Where one piece is to be found with few readings. @typedef {{ channel: string, month: string, id: string }} Clip */

/**
 * @typedef {object} View
 * @property {string | null} channel
 * @property {string | null} thread
 * @property {string | null} person
 * @property {Kind | null} kind
 * @property {Clip | null} clip
 */

/** @type {readonly Kind[]} */
export const KINDS = ["video", "image", "audio", "file"];

/**
 * @param {string} hash
 * @returns {View}
 */
export function parseAddress(hash) {
  const [path, query] = hash.replace(/^#/, "").split("?", 2);
  const asked = new URLSearchParams(query ?? "");
  const kind = KINDS.find((known) => known === asked.get("kind")) ?? null;
  const clip = parseClip(path);
  return { channel: asked.get("channel"), thread: asked.get("thread"), person: asked.get("person"), kind, clip };
}

/**
 * @param {Partial<View>} view
 * @returns {string}
 */
export function address(view) {
  const asked = new URLSearchParams();
  for (const key of /** @type {const} */ (["channel", "thread", "person", "kind"])) {
    const value = view[key];
    if (value) asked.set(key, value);
  }
  const clip = view.clip;
  const path = clip ? `clip/${[clip.channel, clip.month, clip.id].map(encodeURIComponent).join("/")}` : "";
  const query = asked.toString();
  return `#/${path}${query && `?${query}`}`;
}

/**
 * Shards are cut by the month in UTC, so an address names that month too.
 *
 * @param {Entry} entry
 * @returns {Clip}
 */
export function clipOf(entry) {
  return { channel: entry.channel, month: new Date(entry.time).toISOString().slice(0, 7), id: entry.Id };
}

/**
 * Whether two views show the same grid, whatever is open above it.
 *
 * @param {View} a
 * @param {View} b
 */
export function sameGrid(a, b) {
  return a.channel === b.channel && a.thread === b.thread && a.person === b.person && a.kind === b.kind;
}

/**
 * @param {string} path
 * @returns {Clip | null}
 */
function parseClip(path) {
  const parts = path.split("/").filter(Boolean);
  if (parts.length !== 4 || parts[0] !== "clip") return null;
  const [channel, month, id] = parts.slice(1).map(decoded);
  return /^\d{4}-\d{2}$/.test(month) ? { channel, month, id } : null;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
