// A finger that goes sideways over the stage turns the page.

/** A finger that moved this far, in pixels, and mostly sideways, meant to turn the page. */
const SWIPE = 56;

/** The height of the bar a player is wound by, in pixels. */
const BAR = 64;

/**
 * @param {HTMLElement} stage
 * @param {() => boolean} allowed
 * @param {(direction: 1 | -1) => void} turn
 */
export function watchSwipes(stage, allowed, turn) {
  /** @type {{ x: number, y: number } | null} */
  let began = null;
  stage.addEventListener("touchstart", (event) => {
    const [touch] = event.touches;
    began = allowed() && event.touches.length === 1 && touch && !onControls(event.target, touch.clientY) ? { x: touch.clientX, y: touch.clientY } : null;
  }, { passive: true });
  stage.addEventListener("touchend", (event) => {
    const touch = event.changedTouches[0];
    if (!began || !touch) return;
    const [x, y] = [touch.clientX - began.x, touch.clientY - began.y];
    began = null;
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) turn(x < 0 ? 1 : -1);
  }, { passive: true });
}

/**
 * Whether a touch began on the bar a player is wound by.
 *
 * @param {EventTarget | null} target
 * @param {number} y
 */
function onControls(target, y) {
  return target instanceof HTMLMediaElement && y > target.getBoundingClientRect().bottom - BAR;
}
