import { el } from "./dom";

export interface MenuItem {
  label: string;
  key?: string;
  /** A link instead of an action. */
  href?: string;
  run?: () => void;
}

let close: (() => void) | null = null;

/** Opens at a point; arrows move, Enter chooses, Escape closes and gives the focus back. */
export function openMenu(
  x: number,
  y: number,
  heading: string,
  items: readonly (MenuItem | null)[],
): void {
  close?.();
  const before = document.activeElement;
  const abort = new AbortController();
  const { signal } = abort;
  const menu = el("div", { class: "menu", role: "menu", "aria-label": heading || "Actions" });
  if (heading) menu.append(el("div", { class: "heading" }, heading));
  for (const item of items) {
    if (!item) {
      menu.append(el("hr", { role: "separator" }));
      continue;
    }
    const entry = item.href
      ? el("a", { role: "menuitem", tabindex: -1, href: item.href, download: item.href.startsWith("/") ? "" : null }, item.label)
      : el("button", { role: "menuitem", tabindex: -1, type: "button" }, item.label);
    if (item.key) entry.append(el("kbd", { "aria-hidden": "true" }, item.key));
    entry.addEventListener("click", () => {
      close?.();
      item.run?.();
    });
    menu.append(entry);
  }
  document.body.append(menu);
  const box = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(x, innerWidth - box.width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(y, innerHeight - box.height - 8))}px`;

  const entries = [...menu.querySelectorAll<HTMLElement>("[role=menuitem]")];
  const focus = (index: number) => entries[(index + entries.length) % entries.length]?.focus();
  close = () => {
    close = null;
    abort.abort();
    menu.remove();
    if (before instanceof HTMLElement || before instanceof SVGElement) before.focus();
  };
  menu.addEventListener(
    "keydown",
    (event) => {
      const at = entries.indexOf(document.activeElement as HTMLElement);
      if (event.key === "ArrowDown") focus(at + 1);
      else if (event.key === "ArrowUp") focus(at - 1);
      else if (event.key === "Home") focus(0);
      else if (event.key === "End") focus(-1);
      else if (event.key === "Escape" || event.key === "Tab") close?.();
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
  window.addEventListener(
    "pointerdown",
    (event) => {
      if (!menu.contains(event.target as Node)) close?.();
    },
    { signal, capture: true },
  );
  window.addEventListener("blur", () => close?.(), { signal });
  window.addEventListener("resize", () => close?.(), { signal });
  focus(0);
}
