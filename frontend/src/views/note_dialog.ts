import { isSavedPage } from "../api/saved";
import { sharedLink } from "../state/link";
import { el } from "../widgets/dom";

const MOST_CHARACTERS = 1000;

/** Who came by a link looks; a page that was saved has nobody to keep a note. */
export const canPin = () => !isSavedPage() && sharedLink() === null;

/** A small form for one note. It is a dialog so that live updates do not take the text away. */
export function openNoteDialog(where: string, save: (text: string) => Promise<void>): void {
  const text = el("textarea", { class: "field", rows: 5, maxlength: MOST_CHARACTERS, "aria-label": "The note", placeholder: "What is there to know about it?" });
  const problem = el("p", { class: "share-bad", role: "alert" });
  const keep = el("button", { class: "button main", type: "submit" }, "Pin note");
  const cancel = el("button", { class: "button", type: "button" }, "Cancel");
  const form = el("form", { class: "note-form" }, text, problem, el("div", { class: "share-ends" }, cancel, keep));
  const dialog = el("dialog", { class: "share-dialog", "aria-labelledby": "note-title" }, el("h2", { id: "note-title" }, "Pin a note"), el("p", {}, where), form);
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return;
    keep.disabled = true;
    save(text.value.trim()).then(
      () => dialog.close(),
      (cause: unknown) => {
        problem.textContent = cause instanceof Error ? cause.message : "The note could not be kept";
        keep.disabled = false;
      },
    );
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  text.focus();
}
