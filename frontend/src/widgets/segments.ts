import { el } from "./dom";

export interface Segments<T extends string> {
  readonly element: HTMLElement;
  set(value: T): void;
}

/** A few choices side by side, one of them taken. */
export function segments<T extends string>(
  label: string,
  choices: readonly { value: T; label: string; title?: string }[],
  onChoose: (value: T) => void,
): Segments<T> {
  const element = el("div", { class: "segments", role: "group", "aria-label": label });
  const buttons = new Map<T, HTMLButtonElement>();
  for (const { value, label: text, title } of choices) {
    const button = el("button", { type: "button", "aria-pressed": "false", title }, text);
    button.addEventListener("click", () => onChoose(value));
    buttons.set(value, button);
    element.append(button);
  }
  return {
    element,
    set(value) {
      for (const [key, button] of buttons) button.setAttribute("aria-pressed", String(key === value));
    },
  };
}
