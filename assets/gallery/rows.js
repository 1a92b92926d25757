// Lays pictures of many shapes out in rows that fill the width, each row as high as its pictures ask for.

/** @typedef {{ left: number, top: number, width: number, height: number }} Box */

/** A panorama must not become a hairline, a screenshot of a phone not a pillar. */
const NARROWEST = 0.56;
const WIDEST = 2.4;

/** How much higher than wished the last row may become to fill the width. */
const NEARLY = 1.25;

/**
 * The shape given to what has no known size: that of most clips.
 */
export const USUAL_SHAPE = 16 / 9;

/**
 * Boxes for pictures of these shapes (width by height), in order, and the height of them all.
 * The last row keeps about the wished height, since what comes next may still join it.
 *
 * @param {number[]} shapes
 * @param {{ width: number, height: number, gap: number }} field `height` is the wished height of a row
 * @returns {{ boxes: Box[], height: number }}
 */
export function layOut(shapes, field) {
  const limited = shapes.map((shape) => Math.min(WIDEST, Math.max(NARROWEST, shape)));
  /** @type {Box[]} */
  const boxes = [];
  let top = 0;
  for (let first = 0; first < limited.length; ) {
    const { last, height } = nextRow(limited, first, field);
    let left = 0;
    for (let at = first; at < last; at += 1) {
      const width = limited[at] * height;
      boxes.push({ left, top, width, height });
      left += width + field.gap;
    }
    top += height + field.gap;
    first = last;
  }
  return { boxes, height: Math.max(0, top - field.gap) };
}

/**
 * Where the row that begins at `first` ends: there where its height comes closest to the wish.
 *
 * @param {number[]} shapes
 * @param {number} first
 * @param {{ width: number, height: number, gap: number }} field
 */
function nextRow(shapes, first, field) {
  let sum = 0;
  let before = Infinity;
  for (let last = first; last < shapes.length; last += 1) {
    sum += shapes[last];
    const height = (field.width - field.gap * (last - first)) / sum;
    if (height <= field.height) {
      // One picture fewer makes a higher row: take it when that is the smaller change.
      const fewer = last > first && before / field.height < field.height / height;
      return fewer ? { last, height: before } : { last: last + 1, height };
    }
    before = height;
  }
  // A last row that is nearly full is filled; one picture alone is not blown up.
  return { last: shapes.length, height: before <= field.height * NEARLY ? before : field.height };
}
