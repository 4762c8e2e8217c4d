/** What pointer and wheel do on a picture that is panned, zoomed and scrolled. */

export interface Gestures {
  /** Pixels to the right. */
  pan(pixels: number): void;
  /** Pixels down; false when there is nothing left to scroll. */
  scroll(pixels: number): boolean;
  zoom(factor: number, x: number): void;
  canScroll(): boolean;
  hover(at: { x: number; y: number; event: PointerEvent } | null): void;
  click(x: number, y: number): void;
  /** True when there was something to open a menu for. */
  menu(x: number, y: number, event: MouseEvent): boolean;
  lineHeight(): number;
}

const DRAG_FROM = 4; // pixels
const ZOOM_RATE = 0.0022; // of a wheel's pixel

export function listenTo(stage: HTMLElement, signal: AbortSignal, on: Gestures): void {
  let drag: { x: number; y: number; moved: boolean } | null = null;
  const place = (event: MouseEvent): [number, number] => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const dragged = (event: PointerEvent, from: NonNullable<typeof drag>) => {
    const dx = event.clientX - from.x;
    const dy = event.clientY - from.y;
    if (!from.moved && Math.hypot(dx, dy) > DRAG_FROM) {
      from.moved = true;
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("is-dragging");
      on.hover(null);
    }
    if (!from.moved) return;
    on.pan(-dx);
    on.scroll(-dy);
    from.x = event.clientX;
    from.y = event.clientY;
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button === 0) drag = { x: event.clientX, y: event.clientY, moved: false };
  }, { signal });
  stage.addEventListener("pointermove", (event) => {
    if (drag && event.pointerType !== "touch") {
      dragged(event, drag);
      return;
    }
    const [x, y] = place(event);
    on.hover({ x, y, event });
  }, { signal });
  stage.addEventListener("pointerup", (event) => {
    const wasDrag = drag?.moved ?? true;
    drag = null;
    stage.classList.remove("is-dragging");
    if (!wasDrag && event.button === 0) on.click(...place(event));
  }, { signal });
  stage.addEventListener("pointercancel", () => {
    drag = null;
  }, { signal });
  stage.addEventListener("pointerleave", () => on.hover(null), { signal });
  stage.addEventListener("contextmenu", (event) => {
    if (on.menu(...place(event), event)) event.preventDefault();
  }, { signal });
  stage.addEventListener("wheel", (event) => {
    const unit = event.deltaMode === 1 ? on.lineHeight() : 1;
    const isZoom = event.ctrlKey || event.metaKey || event.altKey;
    if (!isZoom && Math.abs(event.deltaX) > Math.abs(event.deltaY)) on.pan(event.deltaX * unit);
    else if (!isZoom && event.shiftKey) on.pan(event.deltaY * unit);
    else if (isZoom || !on.canScroll()) on.zoom(Math.exp(event.deltaY * unit * ZOOM_RATE), place(event)[0]);
    else if (!on.scroll(event.deltaY * unit)) return;
    on.hover(null);
    event.preventDefault();
  }, { signal, passive: false });
}
