// The dialog over the grid that shows one piece after the other.

import { element, fill } from "./elements.js";
import { drawDetails } from "./details.js";
import { icon } from "./icons.js";
import { Playback } from "./playback.js";
import { clear, present } from "./stage.js";
import { watchSwipes } from "./swipes.js";
import { fileName, say } from "./text.js";
import { Zoom } from "./zoom.js";

/** @typedef {import("./shards.js").Entry} Entry */

/** What a jump within a video skips, in seconds. */
const JUMP = 5;

/**
 * @typedef {object} Surroundings
 * @property {() => "copy" | "link"} mode
 * @property {(id: string) => string} channelName
 * @property {(words: string) => void} notify
 * @property {(entry: Entry, direction: 1 | -1) => Promise<Entry | null>} neighbour older (1) or newer (-1), null at the end
 * @property {(entry: Entry) => void} moved another piece is shown: the address has to follow
 * @property {() => void} closed
 */

/** Shows one entry at a time. */
export class Player {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {Surroundings} surroundings
   */
  constructor(dialog, surroundings) {
    this.dialog = dialog;
    this.surroundings = surroundings;
    /** @type {Entry | null} */
    this.entry = null;
    this.stage = element("div", { class: "stage" });
    this.controls = element("div", { class: "controls" });
    this.details = element("div", { class: "details" });
    this.playback = new Playback(this.controls, { turn: (direction) => this.turn(direction), notify: surroundings.notify });
    /** @type {Zoom | null} */
    this.zoom = null;
    this.newer = this.#turner("previous", -1);
    this.older = this.#turner("next", 1);
    const close = element("button", { class: "icon-button player-close", attributes: { type: "button", "aria-label": say("close") }, on: { click: () => this.#leave() } }, icon("close"));
    fill(dialog, element("div", { class: "theatre" }, this.stage, this.newer, this.older, this.controls), this.details, close);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#leave();
    });
    // Before the video's own controls, which would take the arrow keys for themselves.
    dialog.addEventListener("keydown", (event) => this.#key(event), { capture: true });
    // What had the focus may have been replaced by what comes next, and the keys would go nowhere.
    new MutationObserver(() => this.#keepFocus()).observe(dialog, { childList: true, subtree: true });
    watchSwipes(this.stage, () => !this.zoom?.isClose, (direction) => void this.turn(direction));
  }

  /** @param {Entry} entry */
  show(entry) {
    this.#open();
    if (this.entry?.Id === entry.Id && !changed(this.entry, entry)) return;
    this.entry = entry;
    this.dialog.setAttribute("aria-label", fileName(entry));
    this.newer.disabled = false;
    this.older.disabled = false;
    present(this.stage, entry, this.surroundings.mode(), (shown) => this.#control(shown, entry));
    drawDetails(this.details, entry, { mode: this.surroundings.mode(), channelName: this.surroundings.channelName, notify: this.surroundings.notify });
    this.dialog.scrollTop = 0;
  }

  /**
   * Says something instead of showing a piece.
   *
   * @param {string} words
   */
  say(words) {
    this.#open();
    this.entry = null;
    this.dialog.setAttribute("aria-label", words);
    this.newer.disabled = true;
    this.older.disabled = true;
    this.#control(null, null);
    clear(this.stage);
    fill(this.stage, element("p", { class: "stage-words stage-why" }, words));
    fill(this.details);
  }

  /** Closes without telling anybody; the browser gives the focus back to where it came from. */
  hide() {
    if (!this.dialog.open) return;
    this.#control(null, null);
    clear(this.stage);
    this.entry = null;
    this.dialog.close();
  }

  /** @param {1 | -1} direction */
  async turn(direction) {
    const from = this.entry;
    if (!from || this.turning) return;
    this.turning = true;
    try {
      const entry = await this.surroundings.neighbour(from, direction);
      if (this.entry !== from) return;
      if (entry) {
        this.show(entry);
        this.surroundings.moved(entry);
      } else {
        const button = direction === 1 ? this.older : this.newer;
        // A disabled button loses the focus to nowhere, and with it the keys.
        if (document.activeElement === button) this.dialog.focus();
        button.disabled = true;
        this.surroundings.notify(say(direction === 1 ? "noNext" : "noPrevious"));
      }
    } catch (error) {
      this.surroundings.notify(say("failed", { why: error instanceof Error ? error.message : String(error) }));
    } finally {
      this.turning = false;
    }
  }

  /**
   * Gives what is on the stage its controls.
   *
   * @param {import("./stage.js").Shown} shown
   * @param {Entry | null} entry
   */
  #control(shown, entry) {
    this.zoom?.leave();
    this.zoom = null;
    this.playback.attend(shown instanceof HTMLMediaElement ? shown : null, entry);
    if (shown instanceof HTMLImageElement) this.zoom = new Zoom(shown, this.stage, this.controls);
  }

  #open() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    // The dialog itself takes the focus: its keys work at once, and no button looks pressed.
    this.dialog.focus();
  }

  #keepFocus() {
    if (this.dialog.open && !this.dialog.contains(document.activeElement)) this.dialog.focus();
  }

  #leave() {
    this.hide();
    this.surroundings.closed();
  }

  /**
   * @param {"previous" | "next"} name
   * @param {1 | -1} direction
   */
  #turner(name, direction) {
    return element(
      "button",
      { class: `icon-button turner ${name}`, attributes: { type: "button", "aria-label": say(name) }, on: { click: () => void this.turn(direction) } },
      icon(name),
    );
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // A list is gone through by its own keys.
    if (event.altKey || event.ctrlKey || event.metaKey || event.target instanceof HTMLSelectElement) return;
    const rightToLeft = getComputedStyle(this.dialog).direction === "rtl";
    const arrow = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const playing = this.stage.querySelector("video, audio");
    const media = playing instanceof HTMLMediaElement ? playing : null;
    if (arrow && event.shiftKey) {
      if (media) media.currentTime = Math.max(0, media.currentTime + arrow * JUMP);
    } else if (this.zoom?.key(event)) {
      // It moved or grew.
    } else if (arrow) {
      void this.turn((rightToLeft ? -arrow : arrow) === 1 ? 1 : -1);
    } else if (event.key === " " && media && event.target === this.dialog) {
      if (media.paused) media.play().catch(() => {});
      else media.pause();
    } else if (!this.playback.key(event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

/**
 * @param {Entry} old
 * @param {Entry} fresh
 */
function changed(old, fresh) {
  return old.Media !== fresh.Media || old.Gone !== fresh.Gone || old.Attachment_URL !== fresh.Attachment_URL;
}
