// A small script that is here before the page's own code: it asks for what the first picture is made
// of, so that the server answers while that code is on its way (api/ahead.ts).

import { askAhead } from "./api/ahead";
import { askingSource } from "./api/client";
import { parseState, profileIn } from "./state/url";
import { askAllSeries, askEarly } from "./views/first_picture";

const id = profileIn(location.pathname);
if (id !== null) {
  const source = askingSource(id, askAhead);
  const state = parseState(location.hash);
  void source.profile();
  if (state.view === "memory") void askAllSeries(source);
  askEarly(source, state);
  try {
    void localStorage.length; // the first look waits for another process: now, not when the page's code is here
  } catch {
    // Storage may be forbidden.
  }
}
