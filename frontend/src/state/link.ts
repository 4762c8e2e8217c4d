import type { SharedView } from "../api/shares";

/** What this page was opened by, when that was a share link. */
let opened: SharedView | null = null;

export function sharedLink(): SharedView | null {
  return opened;
}

export function setSharedLink(link: SharedView): void {
  opened = link;
}
