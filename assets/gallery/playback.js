// What a video or a sound on the stage can do beyond the browser's own controls: again, onwards, faster, frame by frame.

import { element, fill } from "./elements.js";
import { adopt, habits } from "./habits.js";
import { icon } from "./icons.js";
import { person } from "./people.js";
import { fileName, number, say } from "./text.js";

/** @typedef {import("./shards.js").Entry} Entry */

/** Speeds to choose among; browsers keep the pitch of voices at all of them. */
const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];

/** The length of a frame where nothing tells it: 30 in a second, as most recordings have. */
const FRAME = 1 / 30;

/** The controls beside the stage, and the keys that do the same. */
export class Playback {
  /**
   * @param {HTMLElement} root
   * @param {{ turn: (direction: 1 | -1) => Promise<void>, notify: (words: string) => void }} around
   */
  constructor(root, around) {
    this.root = root;
    this.around = around;
    /** @type {HTMLMediaElement | null} */
    this.media = null;
    this.frame = FRAME;
  }

  /**
   * Takes what is on the stage under control; null when nothing plays.
   *
   * @param {HTMLMediaElement | null} media
   * @param {Entry | null} entry
   */
  attend(media, entry) {
    this.media = media;
    this.frame = FRAME;
    fill(this.root);
    if (!media || !entry) {
      if ("mediaSession" in navigator) navigator.mediaSession.metadata = null;
      return;
    }
    media.volume = habits.volume;
    media.muted = habits.muted;
    media.loop = habits.loop;
    media.defaultPlaybackRate = habits.speed;
    media.playbackRate = habits.speed;
    media.addEventListener("volumechange", () => media === this.media && adopt({ volume: media.volume, muted: media.muted }));
    media.addEventListener("ratechange", () => media === this.media && this.#drawSpeed());
    media.addEventListener("ended", () => {
      if (media === this.media && habits.onwards) void this.around.turn(1);
    });
    if (media instanceof HTMLVideoElement) this.#measureFrames(media);
    this.#draw(media);
    this.#announce(media, entry);
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key was one of these
   */
  key(event) {
    const { media } = this;
    if (!media || event.target instanceof HTMLSelectElement) return false;
    /** @type {Record<string, () => void>} */
    const keys = {
      ",": () => this.step(-1),
      ".": () => this.step(1),
      "<": () => this.#speed(-1),
      ">": () => this.#speed(1),
      l: () => this.#again(),
      m: () => {
        media.muted = !media.muted;
      },
      f: () => void this.#fullScreen(),
      p: () => void this.#apart(),
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return false;
    act();
    return true;
  }

  /**
   * One frame on (1) or back (-1), standing still.
   *
   * @param {1 | -1} direction
   */
  step(direction) {
    const { media } = this;
    if (!(media instanceof HTMLVideoElement)) return;
    media.pause();
    media.currentTime = Math.min(media.duration || Infinity, Math.max(0, media.currentTime + direction * this.frame));
  }

  /** @param {HTMLMediaElement} media */
  #draw(media) {
    const video = media instanceof HTMLVideoElement;
    this.speed = element(
      "select",
      { class: "playback-speed", attributes: { "aria-label": say("speed"), title: say("speed") }, on: { change: () => this.#setSpeed(SPEEDS[this.speed?.selectedIndex ?? 3]) } },
      ...SPEEDS.map((speed) => element("option", { attributes: { value: speed } }, `${number(speed)}×`)),
    );
    this.loop = this.#button("loop", "l", () => this.#again());
    this.onwards = this.#button("onwards", "", () => {
      adopt({ onwards: !habits.onwards });
      if (habits.onwards && habits.loop) this.#again();
      this.#drawStates();
    });
    fill(
      this.root,
      this.onwards,
      this.loop,
      this.speed,
      video && this.#button("frameBack", ",", () => this.step(-1)),
      video && this.#button("frameOn", ".", () => this.step(1)),
      video && document.pictureInPictureEnabled && this.#button("apart", "p", () => void this.#apart()),
      document.fullscreenEnabled && this.#button("fullScreen", "f", () => void this.#fullScreen()),
    );
    this.#drawStates();
    this.#drawSpeed();
  }

  /**
   * @param {"loop" | "onwards" | "frameBack" | "frameOn" | "apart" | "fullScreen"} name
   * @param {string} key
   * @param {() => void} act
   */
  #button(name, key, act) {
    const title = key ? `${say(name)} (${key})` : say(name);
    return element("button", { class: "icon-button", attributes: { type: "button", "aria-label": say(name), "aria-keyshortcuts": key || null, title, "data-does": name }, on: { click: act } }, icon(name));
  }

  #drawStates() {
    this.loop?.setAttribute("aria-pressed", String(habits.loop));
    this.onwards?.setAttribute("aria-pressed", String(habits.onwards));
  }

  #drawSpeed() {
    if (!this.speed || !this.media) return;
    const at = SPEEDS.indexOf(this.media.playbackRate);
    // The browser's own menu may know others.
    if (at >= 0) this.speed.selectedIndex = at;
    if (this.media.playbackRate !== habits.speed && this.media.playbackRate > 0) adopt({ speed: this.media.playbackRate });
  }

  #again() {
    adopt({ loop: !habits.loop });
    if (habits.loop && habits.onwards) adopt({ onwards: false });
    if (this.media) this.media.loop = habits.loop;
    this.#drawStates();
    this.around.notify(say(habits.loop ? "loopOn" : "loopOff"));
  }

  /** @param {1 | -1} direction */
  #speed(direction) {
    const at = SPEEDS.findIndex((speed) => speed >= habits.speed);
    const speed = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, (at < 0 ? SPEEDS.length : at) + direction))];
    this.#setSpeed(speed);
    this.around.notify(`${number(speed)}×`);
  }

  /** @param {number} speed */
  #setSpeed(speed) {
    adopt({ speed });
    if (!this.media) return;
    this.media.defaultPlaybackRate = speed;
    this.media.playbackRate = speed;
  }

  /** Over the whole dialog, so that leafing goes on in it. */
  async #fullScreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await this.root.closest(".theatre")?.requestFullscreen();
    } catch {
      this.around.notify(say("notAllowed"));
    }
  }

  async #apart() {
    if (!(this.media instanceof HTMLVideoElement)) return;
    try {
      if (document.pictureInPictureElement) await document.exitPictureInPicture();
      else await this.media.requestPictureInPicture();
    } catch {
      this.around.notify(say("notAllowed"));
    }
  }

  /**
   * Learns how long a frame is from the frames that are shown.
   *
   * @param {HTMLVideoElement} video
   */
  #measureFrames(video) {
    if (!("requestVideoFrameCallback" in video)) return;
    let [last, shortest] = [NaN, Infinity];
    const seen = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ { mediaTime }) => {
      if (video !== this.media) return;
      const gap = mediaTime - last;
      // Frames that were left out make gaps longer, never shorter.
      if (gap > 0.004 && gap < shortest) [shortest, this.frame] = [gap, gap];
      last = mediaTime;
      video.requestVideoFrameCallback(seen);
    };
    video.requestVideoFrameCallback(seen);
  }

  /**
   * What a lock screen and the keys of a keyboard show and do.
   *
   * @param {HTMLMediaElement} media
   * @param {Entry} entry
   */
  #announce(media, entry) {
    if (!("mediaSession" in navigator)) return;
    const session = navigator.mediaSession;
    const artwork = entry.Thumbnail && !entry.Spoiler ? [{ src: new URL(entry.Thumbnail, document.baseURI).href, type: "image/webp" }] : [];
    session.metadata = new MediaMetadata({ title: fileName(entry), artist: person(entry.posterId)?.name ?? entry.Poster, artwork });
    session.setActionHandler("previoustrack", () => void this.around.turn(-1));
    session.setActionHandler("nexttrack", () => void this.around.turn(1));
    session.setActionHandler("seekto", ({ seekTime }) => {
      if (seekTime !== undefined && seekTime !== null) media.currentTime = seekTime;
    });
  }
}
