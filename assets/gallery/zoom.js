// Lets a picture be looked at closely: by wheel, two fingers, double click, keys and buttons.

import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { say } from "./text.js";

/** Beyond this, there is nothing left to see but squares. */
const CLOSEST = 8;

/** What one press or one double click does. */
const STEP = 2;

/** What an arrow key moves, in pixels. */
const PAN = 80;

/** One picture, its place under the eye and the buttons that change it. */
export class Zoom {
  /**
   * @param {HTMLImageElement} image
   * @param {HTMLElement} stage what it lies on, and what is pointed at
   * @param {HTMLElement} controls
   */
  constructor(image, stage, controls) {
    this.image = image;
    this.stage = stage;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    /** Fingers and pointers that are down. @type {Map<number, { x: number, y: number }>} */
    this.pointers = new Map();
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false, signal });
    stage.addEventListener("dblclick", (event) => this.#to(this.scale > 1 ? 1 : STEP, event.clientX, event.clientY), { signal });
    stage.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    stage.addEventListener("pointermove", (event) => this.#move(event), { signal });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) stage.addEventListener(end, (event) => this.pointers.delete(event.pointerId), { signal });
    this.closer = this.#button("zoomIn", "+", () => this.#by(STEP));
    this.farther = this.#button("zoomOut", "-", () => this.#by(1 / STEP));
    fill(controls, this.farther, this.closer);
    this.#apply();
  }

  /** Whether it is larger than the screen shows: then a finger moves it, and turns no page. */
  get isClose() {
    return this.scale > 1;
  }

  leave() {
    this.leaving.abort();
    this.stage.classList.remove("close");
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key was one of these
   */
  key(event) {
    /** @type {Record<string, () => void>} */
    const keys = { "+": () => this.#by(STEP), "=": () => this.#by(STEP), "-": () => this.#by(1 / STEP), 0: () => this.#to(1, 0, 0) };
    /** @type {Record<string, [number, number]>} */
    const ways = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
    const way = this.isClose ? ways[event.key] : undefined;
    if (way) this.#shift(...way);
    else if (keys[event.key]) keys[event.key]();
    else return false;
    return true;
  }

  /**
   * @param {"zoomIn" | "zoomOut"} name
   * @param {string} key
   * @param {() => void} act
   */
  #button(name, key, act) {
    return element("button", { class: "icon-button", attributes: { type: "button", "aria-label": say(name), title: `${say(name)} (${key})`, "data-does": name }, on: { click: act } }, icon(name));
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    this.#to(this.scale * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }

  /** @param {number} factor */
  #by(factor) {
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    this.#to(this.scale * factor, left + width / 2, top + height / 2);
  }

  /**
   * Another scale, with what is under a point staying under it.
   *
   * @param {number} scale
   * @param {number} x
   * @param {number} y
   */
  #to(scale, x, y) {
    const next = Math.min(CLOSEST, Math.max(1, scale));
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    const [fromX, fromY] = [x - left - width / 2, y - top - height / 2];
    const factor = next / this.scale;
    this.x = fromX - (fromX - this.x) * factor;
    this.y = fromY - (fromY - this.y) * factor;
    this.scale = next;
    this.#apply();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #shift(x, y) {
    this.x += x;
    this.y += y;
    this.#apply();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.target instanceof Element && event.target.closest("button, a")) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const from = this.pointers.get(event.pointerId);
    if (!from) return;
    const to = { x: event.clientX, y: event.clientY };
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const reach = (/** @type {{ x: number, y: number }} */ one) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
      this.#to((this.scale * reach(to)) / reach(from), (to.x + other.x) / 2, (to.y + other.y) / 2);
    }
    if (this.isClose) {
      const share = other ? 2 : 1;
      this.#shift((to.x - from.x) / share, (to.y - from.y) / share);
    }
    this.pointers.set(event.pointerId, to);
  }

  /** Shows it, never farther out than its edges. */
  #apply() {
    const { width, height } = this.stage.getBoundingClientRect();
    const roomX = Math.max(0, (this.image.offsetWidth * this.scale - width) / 2);
    const roomY = Math.max(0, (this.image.offsetHeight * this.scale - height) / 2);
    this.x = Math.min(roomX, Math.max(-roomX, this.x));
    this.y = Math.min(roomY, Math.max(-roomY, this.y));
    this.image.style.transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.stage.classList.toggle("close", this.isClose);
    // A disabled button loses the focus to nowhere, and with it the keys.
    const [farthest, closest] = [this.scale === 1, this.scale === CLOSEST];
    if (!closest) this.closer.disabled = false;
    if (!farthest) this.farther.disabled = false;
    if (farthest && document.activeElement === this.farther) this.closer.focus();
    if (closest && document.activeElement === this.closer) this.farther.focus();
    this.farther.disabled = farthest;
    this.closer.disabled = closest;
  }
}
