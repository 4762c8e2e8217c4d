import { cell } from "./cell";
import type { ThemeChoice } from "./url";

const KEY = "heliograph-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function stored(): ThemeChoice {
  try {
    const text = localStorage.getItem(KEY);
    return text === "light" || text === "dark" ? text : "system";
  } catch {
    return "system"; // storage may be forbidden
  }
}

/** What the person chose, and what that means now. */
export const themeChoice = cell<ThemeChoice>(stored());
export const theme = cell<"light" | "dark">("light");

function apply(): void {
  const choice = themeChoice.get();
  const now = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
  document.documentElement.dataset["theme"] = now;
  theme.set(now);
}

dark.addEventListener("change", apply);
themeChoice.watch(apply);
apply();

export function chooseTheme(choice: ThemeChoice): void {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // Chosen for this visit only.
  }
  themeChoice.set(choice);
}
