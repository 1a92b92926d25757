// One piece in the grid: its still, what it is, and whose it is.

import { address, clipOf } from "./address.js";
import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { person, portrait } from "./people.js";
import { USUAL_SHAPE } from "./rows.js";
import { clock, date, fileName, say } from "./text.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./shards.js").Entry} Entry */

/** Spoilers that were revealed stay so until the page is left. @type {Set<string>} */
const revealed = new Set();

/**
 * @param {Entry} entry
 * @returns {boolean} whether it must stay blurred
 */
export function isHidden(entry) {
  return entry.Spoiler && !revealed.has(entry.Id);
}

/** @param {Entry} entry */
export function reveal(entry) {
  revealed.add(entry.Id);
  for (const tile of document.querySelectorAll(".tile.hidden")) {
    if (tile instanceof HTMLElement && tile.dataset.id === entry.Id) tile.classList.remove("hidden");
  }
}

/**
 * Width by height of an entry's tile.
 *
 * @param {Entry} entry
 */
export function shape(entry) {
  if (entry.Width && entry.Height) return entry.Width / entry.Height;
  return entry.Kind === "video" || entry.Kind === "image" ? USUAL_SHAPE : 4 / 3;
}

/**
 * @param {Entry} entry
 * @param {View} view
 * @param {{ mode: "copy" | "link", channelName: (id: string) => string }} archive
 */
export function tile(entry, view, archive) {
  const channel = archive.channelName(entry.channelId);
  const said = { kind: say(entry.Kind), date: date(entry.time), name: fileName(entry) };
  // Together with what can be seen, this is what screen readers say.
  const words = element("span", { class: "unseen" }, say(isHidden(entry) ? "tileSpoiler" : "tile", said));
  const link = element(
    "a",
    {
      class: "tile-link",
      attributes: { href: address({ ...view, clip: clipOf(entry) }) },
      on: {
        click: (event) => {
          if (!isHidden(entry)) return;
          // The first click only lifts the blur; the second opens.
          event.preventDefault();
          reveal(entry);
          fill(words, say("tile", said));
        },
      },
    },
    words,
    entry.Thumbnail ? still(entry.Thumbnail) : card(entry),
    badges(entry, archive.mode),
    element("span", { class: "tile-veil" }, icon("hidden"), say("spoiler")),
    caption(entry, channel),
  );
  return element(
    "li",
    { class: `tile kind-${entry.Kind}${isHidden(entry) ? " hidden" : ""}${entry.Thumbnail ? "" : " bare"}`, attributes: { "data-id": entry.Id } },
    link,
  );
}

/** @param {string} path */
function still(path) {
  return element("img", {
    class: "tile-still",
    attributes: { src: path, alt: "", loading: "lazy", decoding: "async", draggable: "false" },
    on: { load: (event) => event.target.classList.add("shown") },
  });
}

/**
 * What stands for a piece that has no picture.
 *
 * @param {Entry} entry
 */
function card(entry) {
  return element(
    "span",
    { class: "tile-card" },
    icon(entry.Kind),
    element("bdi", { class: "tile-name" }, entry.Filename),
    element("span", { class: "tile-type" }, entry.Extension || say(entry.Kind)),
  );
}

/**
 * @param {Entry} entry
 * @param {"copy" | "link"} mode
 */
function badges(entry, mode) {
  const state = entry.Gone ? "gone" : mode === "copy" && !entry.Media ? "waiting" : null;
  return element(
    "span",
    { class: "badges" },
    state && element("span", { class: "badge" }, icon(state)),
    entry.Deleted_at && element("span", { class: "badge deleted" }, say("deleted")),
    entry.Extension === "gif" && element("span", { class: "badge" }, "GIF"),
    entry.Kind === "audio" && entry.Thumbnail && element("span", { class: "badge" }, icon("audio")),
    entry.Runtime !== null && entry.Runtime > 0 && element("span", { class: "badge" }, clock(entry.Runtime)),
  );
}

/**
 * @param {Entry} entry
 * @param {string} channel
 */
function caption(entry, channel) {
  const name = person(entry.posterId)?.name ?? entry.Poster;
  return element(
    "span",
    { class: "caption" },
    portrait(entry.posterId, name),
    element("span", { class: "caption-words" }, element("bdi", { class: "caption-name" }, name), element("bdi", { class: "caption-channel" }, channel)),
  );
}
