// The gallery's icons, drawn on a 24 × 24 field in the colour of the text around them.

const SVG = "http://www.w3.org/2000/svg";

/** @type {Record<string, string>} */
const STROKES = {
  menu: "M4 7h16M4 12h16M4 17h10",
  info: "M12 11v5M12 7.6v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
  close: "M6 6l12 12M18 6 6 18",
  previous: "m14.5 5-7 7 7 7",
  next: "m9.5 5 7 7-7 7",
  all: "M4 4h6.5v6.5H4zM13.5 4H20v6.5h-6.5zM4 13.5h6.5V20H4zM13.5 13.5H20V20h-6.5z",
  video: "M4 6.5h10.5a1.5 1.5 0 0 1 1.5 1.5v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 16V8A1.5 1.5 0 0 1 4 6.5ZM16 10.5l5.5-3v9l-5.5-3",
  image: "M5 4h14a1.5 1.5 0 0 1 1.5 1.5v13A1.5 1.5 0 0 1 19 20H5a1.5 1.5 0 0 1-1.5-1.5v-13A1.5 1.5 0 0 1 5 4ZM4 17l5-5 4 4 3-3 4.5 4.5M15.5 8.5v.01",
  audio: "M9 18V6l11-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0ZM20 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0Z",
  file: "M6 3h8l5 5v11.5a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19.5v-15A1.5 1.5 0 0 1 6.5 3ZM14 3v5h5",
  text: "M9.5 4 7.5 20M16.5 4l-2 16M4.5 9h16M3.5 15h16",
  voice: "M4 9.5v5h3.5L12 19V5L7.5 9.5ZM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  stage: "M12 12.5v8M12 9.5v.01M8.5 13a5 5 0 1 1 7 0M6 16a9 9 0 1 1 12 0",
  announcement: "M4 10v4h3l9 4.5v-13L7 10ZM19 9.5a3.5 3.5 0 0 1 0 5M7.5 14.5 9 20",
  forum: "M4 5h11v8H8l-4 3.5ZM18 9h2v10.5L16.5 17H9",
  media: "M5 4h14a1.5 1.5 0 0 1 1.5 1.5v13A1.5 1.5 0 0 1 19 20H5a1.5 1.5 0 0 1-1.5-1.5v-13A1.5 1.5 0 0 1 5 4ZM4 17l5-5 4 4 3-3 4.5 4.5",
  thread: "M6 4v9a3 3 0 0 0 3 3h10M15.5 12.5 19 16l-3.5 3.5",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5c.6-4 3.5-6 7.5-6s6.9 2 7.5 6",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  message: "M4 5h16v11.5H10L5.5 20v-3.5H4Z",
  download: "M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14",
  hidden: "M3.5 12C5.5 8 8.5 6 12 6s6.5 2 8.5 6c-2 4-5 6-8.5 6s-6.5-2-8.5-6ZM5 19 19 5",
  waiting: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z",
  gone: "M12 8.5v4.5M12 16.3v.01M12 3.5 21.5 20h-19Z",
  up: "M12 19V5.5M6 11l6-6 6 6",
  loop: "M17 3.5 20 6.5 17 9.5M20 6.5H8a4 4 0 0 0-4 4v1M7 20.5l-3-3 3-3M4 17.5h12a4 4 0 0 0 4-4v-1",
  onwards: "M4 6.5h11M4 11.5h11M4 16.5h6M14.5 13.5v7l5.5-3.5Z",
  frameBack: "M16.5 6v12M12 6l-6 6 6 6",
  frameOn: "M7.5 6v12M12 6l6 6-6 6",
  apart: "M4 5h16a1 1 0 0 1 1 1v5M3 6v11a1 1 0 0 0 1 1h6M3 6a1 1 0 0 1 1-1M13 14h8v5.5h-8Z",
  fullScreen: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  zoomIn: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5 20 20M10.5 7.8v5.4M7.8 10.5h5.4",
  zoomOut: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5 20 20M7.8 10.5h5.4",
  surprise: "M5.5 4h13A1.5 1.5 0 0 1 20 5.5v13a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18.5v-13A1.5 1.5 0 0 1 5.5 4ZM8.5 8.5v.01M15.5 8.5v.01M12 12v.01M8.5 15.5v.01M15.5 15.5v.01",
  scrub: "m8 9.5 4-4 4 4M8 14.5l4 4 4-4",
  complete: "m5 12.5 4.5 4.5L19 7.5",
};

/**
 * An icon that screen readers pass over; whoever uses it says in words what it means.
 *
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", STROKES[name] ?? STROKES.file);
  svg.append(path);
  return svg;
}
