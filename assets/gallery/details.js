// What is known about a piece: who posted it, when, where, with which words, and where its links lead.

import { address, clipOf } from "./address.js";
import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { person, portrait } from "./people.js";
import { fileAddress } from "./stage.js";
import { clock, fileName, linked, moment, savedName, say, size } from "./text.js";

/** @typedef {import("./shards.js").Entry} Entry */

/**
 * @param {HTMLElement} root
 * @param {Entry} entry
 * @param {{ mode: "copy" | "link", channelName: (id: string) => string, notify: (words: string) => void }} archive
 */
export function drawDetails(root, entry, archive) {
  const known = person(entry.posterId);
  const name = known?.name ?? (entry.Poster || say("unknownPerson"));
  const place = entry.channelId === entry.channel ? { channel: entry.channel } : { channel: entry.channel, thread: entry.channelId };
  fill(
    root,
    element(
      "div",
      { class: "who" },
      portrait(entry.posterId, name),
      element(
        "p",
        { class: "who-words" },
        element("a", { class: "who-name", attributes: { href: address({ person: entry.posterId }) } }, element("bdi", {}, name), known?.bot && element("span", { class: "who-bot" }, say("bot"))),
        element("span", { class: "who-when" }, element("time", { attributes: { datetime: entry.Date } }, moment(entry.time)), " "),
        element("a", { class: "who-where", attributes: { href: address(place) } }, element("bdi", {}, archive.channelName(entry.channelId))),
      ),
    ),
    entry.Description && element("p", { class: "words", attributes: { dir: "auto" } }, ...linked(entry.Description)),
    entry.Description && entry.Edited_at && element("p", { class: "edited" }, say("edited", { date: moment(Date.parse(entry.Edited_at)) })),
    element("p", { class: "facts" }, ...facts(entry)),
    links(entry, archive),
  );
}

/** @param {Entry} entry */
function facts(entry) {
  const known = [
    entry.Width && entry.Height && `${entry.Width} × ${entry.Height}`,
    entry.Runtime && clock(entry.Runtime),
    entry.Size !== null && size(entry.Size),
    entry.Content_type,
  ];
  return [element("bdi", { class: "fact-name" }, fileName(entry)), ...known.map((fact) => fact && element("span", {}, fact))];
}

/**
 * @param {Entry} entry
 * @param {{ mode: "copy" | "link", notify: (words: string) => void }} archive
 */
function links(entry, archive) {
  const source = fileAddress(entry, archive.mode);
  const own = address({ clip: clipOf(entry) });
  const copied = archive.mode === "copy";
  return element(
    "p",
    { class: "links" },
    element("a", { class: "button", attributes: { href: entry.Link_to_message, target: "_blank", rel: "noopener noreferrer", "data-link": "message" } }, icon("message"), say("message")),
    element(
      "a",
      {
        class: "button",
        attributes: { href: own, "data-link": "clip" },
        on: {
          click: (event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            void copy(new URL(own, location.href).href, archive.notify);
          },
        },
      },
      icon("link"),
      say("copyLink"),
    ),
    // A browser obeys `download` only within one origin: another's file is opened in a new tab instead.
    source && element("a", { class: "button", attributes: { href: source, download: copied && savedName(entry), target: copied ? null : "_blank", rel: "noopener noreferrer", "data-link": "file" } }, icon("download"), say(copied ? "download" : "openFile")),
  );
}

/**
 * @param {string} link
 * @param {(words: string) => void} notify
 */
async function copy(link, notify) {
  try {
    await navigator.clipboard.writeText(link);
    notify(say("linkCopied"));
  } catch {
    // Without https browsers give no clipboard; the address bar shows the piece as well.
    notify(say("linkInBar"));
  }
}
