// The address of the page says everything that can be seen, so any view can be shared and the back button works.
//
//   #/                                          everything
//   #/?channel=100&thread=200&person=7&kind=video&from=2025-06-01&min=30&sort=longest
//   #/?month=2024-07                            looked at from July 2024 on
//   #/clip/100/2026-03/900-901?person=7         one piece, in its channel and month, among those of a person

/** @typedef {import("./shards.js").Entry} Entry */
/** @typedef {import("./format.js").Kind} Kind */
/** @typedef {"newest" | "oldest" | "longest" | "largest"} Sort */

/** Where one piece is to be found with few readings. @typedef {{ channel: string, month: string, id: string }} Clip */

/**
 * @typedef {object} View
 * @property {string | null} channel
 * @property {string | null} thread
 * @property {string | null} person
 * @property {Kind | null} kind
 * @property {string | null} from the first day, as `2025-06-01`
 * @property {string | null} to the last day
 * @property {number | null} min seconds
 * @property {number | null} max seconds
 * @property {"no" | "only" | null} spoiler
 * @property {Sort} sort
 * @property {string | null} month where in the view one looks, as `2025-06`; null at its beginning
 * @property {Clip | null} clip
 */

/** @type {readonly Kind[]} */
export const KINDS = ["video", "image", "audio", "file"];

/** The first is the usual one, and is not written down. @type {readonly Sort[]} */
export const SORTS = ["newest", "oldest", "longest", "largest"];

/** What narrows a view. */
const NARROWING = /** @type {const} */ (["channel", "thread", "person", "kind", "from", "to", "min", "max", "spoiler"]);

/** @type {View} */
export const EVERYTHING = { channel: null, thread: null, person: null, kind: null, from: null, to: null, min: null, max: null, spoiler: null, sort: SORTS[0], month: null, clip: null };

/**
 * @param {string} hash
 * @returns {View}
 */
export function parseAddress(hash) {
  const [path, query] = hash.replace(/^#/, "").split("?", 2);
  const asked = new URLSearchParams(query ?? "");
  return {
    channel: asked.get("channel"),
    thread: asked.get("thread"),
    person: asked.get("person"),
    kind: oneOf(KINDS, asked.get("kind")),
    from: shaped(/^\d{4}-\d{2}-\d{2}$/, asked.get("from")),
    to: shaped(/^\d{4}-\d{2}-\d{2}$/, asked.get("to")),
    min: seconds(asked.get("min")),
    max: seconds(asked.get("max")),
    spoiler: oneOf(/** @type {const} */ (["no", "only"]), asked.get("spoiler")),
    sort: oneOf(SORTS, asked.get("sort")) ?? SORTS[0],
    month: shaped(/^\d{4}-\d{2}$/, asked.get("month")),
    clip: parseClip(path),
  };
}

/**
 * @param {Partial<View>} view
 * @returns {string}
 */
export function address(view) {
  const asked = new URLSearchParams();
  for (const key of NARROWING) {
    const value = view[key];
    if (value !== null && value !== undefined && value !== "") asked.set(key, String(value));
  }
  if (view.sort && view.sort !== SORTS[0]) asked.set("sort", view.sort);
  if (view.month) asked.set("month", view.month);
  const clip = view.clip;
  const path = clip ? `clip/${[clip.channel, clip.month, clip.id].map(encodeURIComponent).join("/")}` : "";
  const query = asked.toString();
  return `#/${path}${query && `?${query}`}`;
}

/**
 * The address of a view with something else chosen: from its beginning, and with no piece open.
 *
 * @param {View} view
 * @param {Partial<View>} change
 */
export function changed(view, change) {
  return address({ ...view, month: null, clip: null, ...change });
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
 * Whether two views show the same grid, whatever is open above it and wherever in it one looks.
 *
 * @param {View} a
 * @param {View} b
 */
export function sameGrid(a, b) {
  return a.sort === b.sort && NARROWING.every((key) => a[key] === b[key]);
}

/** @param {View} view */
export function isNarrowed(view) {
  return NARROWING.some((key) => view[key] !== null);
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

/**
 * @template {string} Value
 * @param {readonly Value[]} known
 * @param {string | null} value
 */
function oneOf(known, value) {
  return known.find((one) => one === value) ?? null;
}

/**
 * @param {RegExp} shape
 * @param {string | null} value
 */
function shaped(shape, value) {
  return value && shape.test(value) && !Number.isNaN(Date.parse(value)) ? value : null;
}

/** @param {string | null} value */
function seconds(value) {
  return value && /^\d{1,6}$/.test(value) ? Number(value) : null;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
