import { ApiError } from "../api/client";
import { openShare } from "../api/shares";
import { setSharedLink } from "../state/link";
import { el, fill } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { openProfile } from "./profile_page";

/** Opens /s/SECRET: exactly the view that was shared, until the reader moves on from it. */
export async function openShared(secret: string): Promise<void> {
  fill(document.body, el("main", {}, stateCard("loading", "Opening the shared profile")));
  try {
    const link = await openShare(secret);
    setSharedLink(link);
    if (!location.hash && link.view) history.replaceState(null, "", `${location.pathname}#${link.view}`);
    await openProfile(link.profile);
  } catch (cause) {
    const isGone = cause instanceof ApiError && cause.status === 404;
    fill(
      document.body,
      el(
        "main",
        {},
        stateCard(
          "bad",
          isGone ? "This link is not valid" : "The shared profile could not be opened",
          isGone
            ? "It may have expired or been revoked, or the address is not complete. Whoever sent it can make a new one."
            : cause instanceof Error
              ? cause.message
              : "",
        ),
      ),
    );
  }
}
