import { el, fill } from "./dom";

export interface TooltipContent {
  title: string;
  place?: string;
  rows?: [string, ...string[]][];
  note?: string;
}

let element: HTMLElement | null = null;

/** Beside the pointer, inside the window. One for the whole page. */
export function showTooltip(content: TooltipContent, x: number, y: number): void {
  if (!element) {
    element = el("div", { class: "tooltip", role: "tooltip" });
    document.body.append(element);
  }
  const table = el("table");
  for (const [label, ...cells] of content.rows ?? []) {
    const row = el("tr", {}, el("th", {}, label));
    for (const cell of cells) row.append(el("td", {}, cell));
    table.append(row);
  }
  fill(
    element,
    el("div", { class: "title" }, content.title),
    content.place ? el("div", { class: "place" }, content.place) : null,
    content.rows?.length ? table : null,
    content.note ? el("div", { class: "note" }, content.note) : null,
  );
  element.hidden = false;
  const { width, height } = element.getBoundingClientRect();
  const left = x + 16 + width > innerWidth - 8 ? Math.max(8, x - 12 - width) : x + 16;
  const top = y + 18 + height > innerHeight - 8 ? Math.max(8, y - 12 - height) : y + 18;
  element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

export function hideTooltip(): void {
  if (element) element.hidden = true;
}
