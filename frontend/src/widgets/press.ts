/** Whether something that can be pressed is pressed just now. An update that replaced it would take the click away. */

const PRESSABLE = "button, a, summary, label, [role=row], [role=menuitem], li, tr";
let isPressed = false;
const waiting: (() => void)[] = [];

function release(): void {
  isPressed = false;
  for (const go of waiting.splice(0)) go();
}

window.addEventListener("pointerdown", (event) => (isPressed = event.target instanceof Element && event.target.closest(PRESSABLE) !== null), { capture: true });
// The click comes after the pointer went up; a pointer that leaves the window may never do so here.
for (const kind of ["pointerup", "pointercancel", "blur"]) window.addEventListener(kind, () => setTimeout(release), { capture: true });

/** At once, or when it is let go. */
export function whenNothingIsPressed(go: () => void): void {
  if (isPressed) waiting.push(go);
  else go();
}
