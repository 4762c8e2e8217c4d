import { safeName } from "../canvas/text";
import { formatCount } from "../model/format";
import { sameIds, type ViewState } from "../state/url";
import { el, fill, icon } from "../widgets/dom";
import { openMenu, type MenuItem } from "../widgets/menu";
import { segments } from "../widgets/segments";
import type { Actions, Shared } from "./view";

const MOST_IN_MENU = 60;
const ORDERS = [
  { value: "merged", label: "Merged", title: "Equal stacks together, the widest first" },
  { value: "time", label: "In time", title: "Each thread's stacks in order of time (o)" },
] as const;

/** What the pictures of stacks can be asked for: order, whose stacks, how they are put together. */
export class PictureControls {
  readonly order: HTMLElement;
  readonly threads = el("button", { class: "button quiet", type: "button", "aria-haspopup": "menu", hidden: true });
  readonly shape = el("button", { class: "button quiet", type: "button", "aria-haspopup": "menu", title: "Group by module, fold recursion" });
  private readonly orderSwitch = segments<ViewState["order"]>("Order", ORDERS, (order) => this.actions.change({ order }));
  private shared: Shared | null = null;

  constructor(private readonly actions: Actions) {
    this.order = this.orderSwitch.element;
    this.threads.addEventListener("click", () => this.openBelow(this.threads, "Whose stacks", this.threadItems()));
    this.shape.addEventListener("click", () => this.openBelow(this.shape, "Boxes", this.shapeItems()));
  }

  update(shared: Shared): void {
    this.shared = shared;
    const { state, profile } = shared;
    if (shared.isCompared) {
      for (const part of [this.order, this.threads, this.shape]) part.hidden = true;
      return;
    }
    this.orderSwitch.set(state.order);
    this.order.hidden = !profile.shapes.includes("stacks") && state.order !== "time";
    this.threads.hidden = profile.threads.length < 2 && profile.processes.length < 2;
    fill(this.threads, this.threadsText(shared), icon("down"));
    fill(this.shape, state.group ? `by ${state.group}` : "by function", state.collapse ? ", folded" : null, icon("down"));
  }

  private openBelow(button: HTMLElement, heading: string, items: (MenuItem | null)[]): void {
    const box = button.getBoundingClientRect();
    openMenu(box.left, box.bottom + 4, heading, items);
  }

  private threadsText({ state, profile }: Shared): string {
    const { threads, processes } = state;
    if (threads.length === 1) return safeName(threadName(profile, threads[0] as number)).slice(0, 24);
    if (threads.length) return `${threads.length} threads`;
    if (processes.length === 1) return `pid ${profile.processes.find((p) => p.index === processes[0])?.pid ?? processes[0]}`;
    if (processes.length) return `${processes.length} processes`;
    return "all threads";
  }

  private threadItems(): (MenuItem | null)[] {
    const { shared } = this;
    if (!shared) return [];
    const { state, profile } = shared;
    const mark = (isOn: boolean, label: string) => `${isOn ? "✓ " : "\u2003 "}${safeName(label).slice(0, 80)}`;
    const toggled = (list: number[], one: number) =>
      list.includes(one) ? list.filter((x) => x !== one) : [...list, one].sort((a, b) => a - b);
    const items: (MenuItem | null)[] = [
      { label: mark(!state.threads.length && !state.processes.length, "all threads together"), run: () => this.actions.change({ threads: [], processes: [] }) },
    ];
    if (profile.processes.length > 1) {
      items.push(null);
      for (const p of profile.processes.slice(0, MOST_IN_MENU))
        items.push({ label: mark(state.processes.includes(p.index), `pid ${p.pid} ${p.command}`), run: () => this.actions.change({ processes: toggled(state.processes, p.index) }) });
    }
    items.push(null);
    const byWeight = [...profile.threads].sort((a, b) => b.samples - a.samples);
    for (const t of byWeight.slice(0, MOST_IN_MENU))
      items.push({
        label: mark(state.threads.includes(t.index), threadName(profile, t.index)),
        key: formatCount(t.samples),
        run: () => this.actions.change({ threads: toggled(state.threads, t.index) }),
      });
    const more = byWeight.length - MOST_IN_MENU;
    if (more > 0) items.push({ label: `${formatCount(more)} more: see the Threads view`, run: () => this.actions.change({ view: "threads" }) });
    return items;
  }

  private shapeItems(): (MenuItem | null)[] {
    const state = this.shared?.state;
    if (!state) return [];
    const choose = (group: ViewState["group"], label: string): MenuItem => ({
      label: `${state.group === group ? "✓ " : "\u2003 "}${label}`,
      run: () => this.actions.change({ group, root: [], sel: null }),
    });
    return [
      choose("", "a box a function"),
      choose("module", "a box a module"),
      choose("package", "a box a package"),
      choose("file", "a box a file"),
      null,
      { label: `${state.collapse ? "✓ " : "\u2003 "}fold recursion`, run: () => this.actions.change({ collapse: !state.collapse, root: [] }) },
    ];
  }
}

export function threadName(profile: Shared["profile"], index: number): string {
  const info = profile.threads.find((t) => t.index === index);
  const process = profile.processes.length > 1 ? profile.processes.find((p) => p.index === info?.process) : undefined;
  const name = info?.name || `thread ${info?.tid ?? index}`;
  return process ? `${name} (pid ${process.pid})` : name;
}

/** Another tree has other paths. */
export function isOtherTree(a: ViewState, b: ViewState): boolean {
  return (
    a.invert !== b.invert || a.focus !== b.focus || a.group !== b.group || a.collapse !== b.collapse ||
    !sameIds(a.hideModules, b.hideModules) || !sameIds(a.hidePackages, b.hidePackages)
  );
}
