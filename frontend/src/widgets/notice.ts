import { el, icon, type IconName } from "./dom";

let toastElement: HTMLElement | null = null;
let timer = 0;

/** A short word at the bottom, read out too. */
export function toast(text: string): void {
  if (!toastElement) {
    toastElement = el("div", { class: "toast", role: "status" });
    document.body.append(toastElement);
  }
  toastElement.textContent = text;
  toastElement.hidden = false;
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    if (toastElement) toastElement.hidden = true;
  }, 2600);
}

/** What stands where a picture would: nothing yet, loading, refused. */
export function stateCard(
  kind: "empty" | "loading" | "bad",
  title: string,
  ...words: (string | Node)[]
): HTMLElement {
  const glyph: Record<typeof kind, IconName> = { empty: "auto", loading: "wait", bad: "warning" };
  const card = el(
    "div",
    { class: `state-card ${kind}`, role: kind === "bad" ? "alert" : "status" },
    icon(glyph[kind], kind === "loading" ? "glyph spinner" : "glyph"),
    el("h2", {}, title),
  );
  for (const word of words) card.append(typeof word === "string" ? el("p", {}, word) : word);
  return card;
}
