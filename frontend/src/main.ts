import { isSavedPage } from "./api/saved";
import "./state/theme";
import { profileIn } from "./state/url";
import { openAlerts } from "./views/alerts_page";
import { openBenchmarks } from "./views/benchmarks_page";
import { openCompare } from "./views/compare_page";
import { LibraryPage } from "./views/library_page";
import { openProfile, openSaved } from "./views/profile_page";
import { openShared } from "./views/shared_page";
import { el, fill } from "./widgets/dom";
import { stateCard } from "./widgets/notice";

const compared = /^\/d\/([^/]*?)(?:\.\.([^/]*))?\/?$/.exec(location.pathname);
const profile = profileIn(location.pathname);
const share = /^\/s\/([^/]+)\/?$/.exec(location.pathname);
if (isSavedPage()) void openSaved();
else if (share?.[1]) void openShared(decodeURIComponent(share[1]));
else if (profile !== null) void openProfile(profile);
else if (compared) void openCompare(compared[1] ?? "", compared[2] ?? "");
else if (location.pathname === "/alerts") openAlerts();
else if (location.pathname === "/benchmarks") void openBenchmarks();
else if (location.pathname === "/") new LibraryPage();
else
  fill(
    document.body,
    el(
      "main",
      {},
      stateCard("bad", "There is no such page", el("p", {}, el("a", { href: "/" }, "All profiles"))),
    ),
  );
