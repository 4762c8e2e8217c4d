/** Elements without markup: text is always text. */

import { whenNothingIsPressed } from "./press";

type Attribute = string | number | boolean | null | undefined | ((event: never) => void);
type Child = Node | string | null | undefined | false;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function")
      element.addEventListener(name.replace(/^on/, ""), value as unknown as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

const ICONS = {
  search: "M7 1.5a5.5 5.5 0 1 0 3.4 9.8l3.7 3.7 1-1-3.7-3.7A5.5 5.5 0 0 0 7 1.5Zm0 1.4a4.1 4.1 0 1 1 0 8.2 4.1 4.1 0 0 1 0-8.2Z",
  share: "M8 1 4.5 4.5l1 1L7.3 3.7V10h1.4V3.7l1.8 1.8 1-1L8 1ZM3 7v7h10V7h-2.5v1.4h1.1v4.2H4.4V8.4h1.1V7H3Z",
  sun: "M8 4.7a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6ZM7.3.8h1.4v2.4H7.3V.8Zm0 12h1.4v2.4H7.3v-2.4ZM.8 7.3h2.4v1.4H.8V7.3Zm12 0h2.4v1.4h-2.4V7.3ZM2.4 3.4l1-1 1.7 1.7-1 1-1.7-1.7Zm8.5 8.5 1-1 1.7 1.7-1 1-1.7-1.7Zm1-6.8-1-1 1.7-1.7 1 1-1.7 1.7Zm-8.5 8.5-1-1 1.7-1.7 1 1-1.7 1.7Z",
  moon: "M6.2 1.6a6.6 6.6 0 1 0 8.2 8.2A5.4 5.4 0 0 1 6.2 1.6Z",
  auto: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm0 1.4v10.2A5.1 5.1 0 0 1 8 2.9Z",
  help: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM7.3 11h1.4v1.4H7.3V11Zm.7-7.4c1.5 0 2.6 1 2.6 2.3 0 1.7-1.9 2-1.9 3.4v.4H7.3v-.6c0-1.9 1.9-2.2 1.9-3.1 0-.6-.5-1-1.2-1s-1.2.5-1.2 1.2H5.4c0-1.5 1.1-2.6 2.6-2.6Z",
  download: "M7.3 1.5h1.4v6.4l2-2 1 1L8 10.6 4.3 6.9l1-1 2 2V1.5ZM2.5 12.6h11V14h-11v-1.4Z",
  close: "m4.2 3.2 3.8 3.8 3.8-3.8 1 1L9 8l3.8 3.8-1 1L8 9l-3.8 3.8-1-1L7 8 3.2 4.2l1-1Z",
  trash: "M6 1.5h4l.7 1.2h3V4h-11V2.7h2.6L6 1.5ZM3.6 5.2h8.8l-.7 9.3H4.3l-.7-9.3Z",
  copy: "M5 1.5h8.5V11H11v3.5H2.5V5H5V1.5Zm1.4 1.4V5H11v4.6h1.1V2.9H6.4ZM3.9 6.4v6.7h5.7V6.4H3.9Z",
  flip: "M5 1.8 1.6 5.2l1 1L4.3 4.5V12h1.4V4.5l1.7 1.7 1-1L5 1.8Zm6 12.4 3.4-3.4-1-1-1.7 1.7V4h-1.4v7.5l-1.7-1.7-1 1L11 14.2Z",
  down: "m3.2 5.6 1-1L8 8.4l3.8-3.8 1 1L8 10.4 3.2 5.6Z",
  swap: "M5 2.2 1.8 5.4 5 8.6V6.1h9V4.7H5V2.2Zm6 5.2v2.5H2v1.4h9v2.5l3.2-3.2L11 7.4Z",
  up: "M8 2.5 3 7.5l1 1 3.3-3.3v8.3h1.4V5.2L12 8.5l1-1-5-5Z",
  reset: "M8 2.5a5.5 5.5 0 1 1-5.3 4l1.4.4A4.1 4.1 0 1 0 8 3.9v2L4.6 3.2 8 .5v2Z",
  image: "M2 2.5h12v11H2v-11Zm1.4 1.4v6.2l3-3 2.4 2.4 1.6-1.5 2.2 2.2V3.9H3.4Zm7 1.2a1.2 1.2 0 1 1 0 2.4 1.2 1.2 0 0 1 0-2.4Z",
  warning: "M8 1.7 15 14H1L8 1.7Zm-.7 4.6v4h1.4v-4H7.3Zm0 5v1.4h1.4v-1.4H7.3Z",
  upload: "M8 1.5 4.3 5.2l1 1 2-2v6.4h1.4V4.2l2 2 1-1L8 1.5ZM2.5 12.6h11V14h-11v-1.4Z",
  record: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm0 1.4a5.1 5.1 0 1 1 0 10.2A5.1 5.1 0 0 1 8 2.9Zm0 2.3a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6Z",
  wait: "M8 1.5A6.5 6.5 0 0 1 14.5 8h-1.6A4.9 4.9 0 0 0 8 3.1V1.5Z",
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName, className = ""): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  if (className) svg.setAttribute("class", className);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill", "currentColor");
  svg.append(path);
  return svg;
}

/** Replaces the children only; keeps the element and who listens to it. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((c): c is Node | string => Boolean(c)));
}

/**
 * Calls back with the size in CSS pixels, at once and after each change. What it gives back measures
 * now: for a picture that need not wait for the next frame.
 */
export function onResize(
  element: Element,
  signal: AbortSignal,
  callback: (width: number, height: number) => void,
): () => void {
  let known = "";
  const tell = (box?: DOMRectReadOnly) => {
    if (!box || box.width <= 0 || box.height <= 0 || known === `${box.width} ${box.height}`) return;
    known = `${box.width} ${box.height}`;
    callback(box.width, box.height);
  };
  const observer = new ResizeObserver((entries) => tell(entries[entries.length - 1]?.contentRect));
  observer.observe(element);
  signal.addEventListener("abort", () => observer.disconnect());
  return () => tell(element.getBoundingClientRect());
}

/** Many calls in one frame draw once, and none while something is pressed. */
export function frameGate(draw: () => void): () => void {
  let isPlanned = false;
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    whenNothingIsPressed(() =>
      requestAnimationFrame(() => {
        isPlanned = false;
        draw();
      }),
    );
  };
}

export function wantsLessMotion(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard without HTTPS or permission: the old way still works.
    const area = el("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    return isDone;
  }
}

export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
