// Shows the file itself: plays it, or says why not and what to do instead.

import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { fileName, moment, say } from "./text.js";
import { isHidden, reveal } from "./tile.js";

/** @typedef {import("./shards.js").Entry} Entry */
/** @typedef {"copy" | "link"} Mode */

/**
 * Where the file can be had, null when it can't.
 *
 * @param {Entry} entry
 * @param {Mode} mode
 */
export function fileAddress(entry, mode) {
  if (mode === "copy") return entry.Media;
  return entry.Gone || isExpired(entry) ? null : entry.Attachment_URL;
}

/** What there is to control once something is shown: a player, a picture, or nothing. @typedef {HTMLMediaElement | HTMLImageElement | null} Shown */

/**
 * Puts an entry on the stage.
 *
 * @param {HTMLElement} stage
 * @param {Entry} entry
 * @param {Mode} mode
 * @param {(shown: Shown) => void} placed told of each thing that is put there
 */
export function present(stage, entry, mode, placed) {
  clear(stage);
  placed(null);
  const source = fileAddress(entry, mode);
  if (source === null) {
    fill(stage, explained(entry, whyNot(entry)));
  } else if (isHidden(entry)) {
    fill(stage, veil(entry, () => present(stage, entry, mode, placed)));
  } else {
    fill(stage, medium(stage, entry, source, mode, placed));
    const shown = stage.querySelector("video, audio, .stage-image");
    if (shown instanceof HTMLMediaElement || shown instanceof HTMLImageElement) placed(shown);
  }
}

/**
 * Takes away what is on the stage. A video goes on loading for as long as it has a source, even out of sight.
 *
 * @param {HTMLElement} stage
 */
export function clear(stage) {
  for (const playing of stage.querySelectorAll("video, audio")) {
    if (!(playing instanceof HTMLMediaElement)) continue;
    playing.pause();
    playing.removeAttribute("src");
    playing.load();
  }
  fill(stage);
}

/**
 * @param {HTMLElement} stage
 * @param {Entry} entry
 * @param {string} source
 * @param {Mode} mode
 * @param {(shown: Shown) => void} placed
 */
function medium(stage, entry, source, mode, placed) {
  const failed = () => void explainFailure(stage, entry, source, mode, placed);
  const name = fileName(entry);
  if (entry.Kind === "video") return video(stage, entry, source, failed);
  if (entry.Kind === "audio") {
    const sound = element("audio", { attributes: { src: source, controls: true, preload: "metadata", "aria-label": name }, on: { error: failed } });
    begin(sound);
    return element("div", { class: "stage-sound" }, picture(entry) ?? icon("audio"), element("bdi", { class: "stage-name" }, name), sound);
  }
  if (entry.Kind === "image") {
    return element("img", { class: "stage-image", attributes: { src: source, alt: name, width: entry.Width, height: entry.Height, draggable: "false" }, on: { error: failed } });
  }
  return explained(entry, say("noViewer"));
}

/**
 * @param {HTMLElement} stage
 * @param {Entry} entry
 * @param {string} source
 * @param {() => void} failed
 */
function video(stage, entry, source, failed) {
  const player = element("video", {
    class: "stage-video",
    attributes: { src: source, poster: entry.Thumbnail, controls: true, playsinline: true, preload: "metadata", width: entry.Width, height: entry.Height, "aria-label": fileName(entry) },
    on: {
      error: failed,
      loadedmetadata: () => {
        // A sound track alone means that the picture is in a format this browser lacks, often HEVC.
        if (player.videoWidth === 0) stage.append(element("p", { class: "stage-remark" }, say("noPicture")));
      },
    },
  });
  begin(player);
  return player;
}

/**
 * Starts by itself where the browser lets it; where not, the button to start is there.
 *
 * @param {HTMLMediaElement} player
 */
function begin(player) {
  player.autoplay = true;
}

/**
 * A file that does not show either can't be read here or is not there. The two ask for different words.
 *
 * @param {HTMLElement} stage
 * @param {Entry} entry
 * @param {string} source
 * @param {Mode} mode
 * @param {(shown: Shown) => void} placed
 */
async function explainFailure(stage, entry, source, mode, placed) {
  // Only its own bucket may be asked; Discord's servers may not, and answer scripts of other pages with nothing.
  const there = mode === "link" ? null : await fetch(source, { method: "HEAD" }).then((answer) => answer.ok, () => false);
  if (!stage.querySelector("video, audio, img.stage-image")) return;
  const type = entry.Content_type ?? entry.Extension;
  const why = there === false ? say("missingFile") : there ? say("cannotPlayWhy", { type }) : say("linkDead");
  clear(stage);
  placed(null);
  fill(stage, explained(entry, why, there === false ? undefined : say("cannotPlay")));
}

/**
 * @param {Entry} entry
 * @param {string} why
 * @param {string} [title]
 */
function explained(entry, why, title = fileName(entry)) {
  return element(
    "div",
    { class: "stage-words" },
    isHidden(entry) ? icon(entry.Kind) : (picture(entry) ?? icon(entry.Gone ? "gone" : entry.Kind)),
    element("p", { class: "stage-name" }, element("bdi", {}, title)),
    element("p", { class: "stage-why" }, why),
  );
}

/** @param {Entry} entry */
function picture(entry) {
  return entry.Thumbnail ? element("img", { class: "stage-still", attributes: { src: entry.Thumbnail, alt: "" } }) : null;
}

/** @param {Entry} entry */
function whyNot(entry) {
  if (entry.Gone) return say("goneWhy", { why: entry.Gone });
  if (isExpired(entry)) return say("expired", { date: moment(Number(entry.Expire_Timestamp) * 1000) });
  return say("pendingWhy");
}

/** @param {Entry} entry */
function isExpired(entry) {
  return entry.Expire_Timestamp !== null && entry.Expire_Timestamp * 1000 <= Date.now();
}

/**
 * @param {Entry} entry
 * @param {() => void} lifted
 */
function veil(entry, lifted) {
  const button = element(
    "button",
    {
      class: "stage-veil",
      attributes: { type: "button" },
      on: {
        click: () => {
          reveal(entry);
          lifted();
        },
      },
    },
    entry.Thumbnail && element("img", { class: "stage-blurred", attributes: { src: entry.Thumbnail, alt: "" } }),
    element("span", { class: "stage-veil-words" }, icon("hidden"), say("showSpoiler")),
  );
  return button;
}
