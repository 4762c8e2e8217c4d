import { el } from "../widgets/dom";

const KEYS: [string, [string, string][]][] = [
  [
    "Everywhere",
    [
      ["1 … 7", "views, in the order of the tabs"],
      ["/", "search (regular expression)"],
      ["Esc", "clear the search, step out, clear the window"],
      ["Space", "pause or go on updating a live profile"],
      ["T", "next theme"],
      ["Alt ←", "back, as in any page"],
      ["?", "this help"],
    ],
  ],
  [
    "Sunburst and flame graph",
    [
      ["← → ↑ ↓", "walk the boxes"],
      ["Enter", "zoom in; in the sunburst put it in the middle"],
      ["Backspace", "one step out"],
      ["0", "show everything"],
      ["I", "inverted: what runs at the root"],
      ["F", "flame: root at the bottom or at the top"],
      ["O", "flame: in order of time, or merged"],
      ["W S A D", "flame: zoom in, out, move left, right"],
      ["Ctrl wheel", "flame: zoom about the pointer"],
    ],
  ],
  [
    "Plot",
    [
      ["drag", "choose a window: every view shows only that time"],
      ["click", "memory: what was alive at that moment"],
      ["← →", "on a handle or a moment: move it (Shift: far)"],
      ["Delete", "on a handle: take the window away"],
    ],
  ],
  [
    "Table",
    [
      ["↑ ↓", "choose a row"],
      ["Enter", "its callers and callees"],
      ["right click", "focus, hide, copy, lines: everywhere"],
    ],
  ],
];

let dialog: HTMLDialogElement | null = null;

export function showHelp(): void {
  if (!dialog) {
    const columns = el("div", { class: "help-columns" });
    for (const [title, keys] of KEYS) {
      const list = el("dl");
      for (const [key, words] of keys) list.append(el("dt", {}, el("kbd", {}, key)), el("dd", {}, words));
      columns.append(el("section", {}, el("h3", {}, title), list));
    }
    const close = el("button", { class: "button", type: "button" }, "Close");
    dialog = el("dialog", { "aria-labelledby": "help-title" }, el("h2", { id: "help-title" }, "Getting around"), columns, close);
    close.addEventListener("click", () => dialog?.close());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog?.close();
    });
    document.body.append(dialog);
  }
  if (!dialog.open) dialog.showModal();
}
